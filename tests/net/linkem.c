/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A link between two TAP devices, with the faults of a real one.
 *
 * Answers for: delay, jitter, random loss, rate with a bounded queue, black
 * holes and lost carrier, for each direction by itself, changed while it runs.
 * It stands in for the kernel's netem where that is not there, and unlike it
 * can be told to do something at a moment that a test chooses.
 *
 * Relies on: /dev/net/tun and CAP_NET_ADMIN. The devices are made in the
 * namespaces named on the command line and vanish with this process. It ends
 * when its standard input is closed, so it never outlives who started it.
 *
 * One thread. A frame's way: read from a TAP, dropped or put into the queue
 * (waiting for the wire, bounded in bytes), taken out of it at the link's rate,
 * moved to the wire (a list ordered by arrival), written to the other TAP.
 *
 *   linkem --a NETNS:IFNAME --b NETNS:IFNAME [--seed N]
 *
 * The namespace "." is the one that linkem was started in. Commands, one a line,
 * each answered by one line, "ok", "error: REASON" or the counters as JSON:
 *
 *   a|b|both WORD…   what happens to frames that come in at a, at b, or at both
 *     delay MS         one way, milliseconds, fractions allowed
 *     jitter MS        added to the delay, uniform in 0…MS, order kept
 *     reorder on|off   let jitter change the order
 *     loss PERCENT     of frames, at random; ARP and neighbour discovery spared
 *     rate BITS        per second, 0 for unlimited
 *     queue BYTES      that may wait for the wire, tail drop
 *     drop N           the next N frames
 *     down | up        swallow everything that comes in, or stop doing so
 *     carrier on|off   of the TAP itself: the host there sees its cable pulled
 *   stats            counters of both directions
 *   quit
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <math.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MAX 2048
/* Frames read from one TAP before the other one and the clock get their turn. */
#define READ_BATCH 64
#define QUEUE_DEFAULT (256 * 1024)
/* Frames on both wires: 1 Gb/s of 1200 bytes for a third of a second. */
#define POOL_FRAMES 65536
#define NS_PER_MS 1e6
#define NS_PER_S 1000000000ull

typedef struct Frame Frame;
struct Frame {
  Frame *next;
  Frame *prev;
  uint64_t due; /* CLOCK_MONOTONIC ns; in the queue: when it came */
  size_t size;
  uint8_t data[FRAME_MAX];
};

typedef struct {
  Frame *head;
  Frame *tail;
  size_t bytes;
} List;

/* One way across the link. */
typedef struct {
  const char *name;
  int in;  /* TAP that is read */
  int out; /* TAP that is written */

  uint64_t delay;
  uint64_t jitter;
  double loss; /* 0…1 */
  uint64_t rate;
  size_t queue_limit;
  uint64_t drop_next;
  bool reorder;
  bool down;

  uint64_t random;
  List queue;       /* waiting for the wire */
  uint64_t sent_at; /* when the last bit of queue.head leaves it */
  List wire;        /* ordered by due */
  uint64_t last_due;

  uint64_t received;
  uint64_t received_bytes;
  uint64_t delivered;
  uint64_t delivered_bytes;
  uint64_t lost;
  uint64_t swallowed;
  uint64_t overflowed;
  uint64_t refused;
} Direction;

static Direction dirs[2];
static Frame *pool;
static size_t pool_made;
static volatile sig_atomic_t stopped;

static uint64_t
now_ns (void)
{
  struct timespec ts;

  clock_gettime (CLOCK_MONOTONIC, &ts);
  return (uint64_t) ts.tv_sec * NS_PER_S + (uint64_t) ts.tv_nsec;
}

/* splitmix64: the same seed gives the same losses. */
static double
random_unit (Direction *dir)
{
  uint64_t z = (dir->random += 0x9e3779b97f4a7c15ull);

  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  z ^= z >> 31;
  return (double) (z >> 11) / 9007199254740992.0;
}

/* NULL when POOL_FRAMES are under way. */
static Frame *
frame_take (void)
{
  Frame *frame = pool;

  if (frame) {
    pool = frame->next;
    return frame;
  }
  if (pool_made == POOL_FRAMES)
    return NULL;
  frame = malloc (sizeof *frame);
  if (frame)
    pool_made++;
  return frame;
}

static void
frame_give (Frame *frame)
{
  frame->next = pool;
  pool = frame;
}

static void
list_insert_after (List *list, Frame *before, Frame *frame)
{
  frame->prev = before;
  frame->next = before ? before->next : list->head;
  if (frame->next)
    frame->next->prev = frame;
  else
    list->tail = frame;
  if (before)
    before->next = frame;
  else
    list->head = frame;
  list->bytes += frame->size;
}

static Frame *
list_pop (List *list)
{
  Frame *frame = list->head;

  list->head = frame->next;
  if (list->head)
    list->head->prev = NULL;
  else
    list->tail = NULL;
  list->bytes -= frame->size;
  return frame;
}

static uint64_t
time_on_wire (const Direction *dir, size_t size)
{
  return dir->rate ? size * 8 * NS_PER_S / dir->rate : 0;
}

/* A lost ARP request costs a second that says nothing about the transport. */
static bool
is_neighbour_discovery (const Frame *frame)
{
  const uint8_t *d = frame->data;

  if (frame->size < 14)
    return false;
  if (d[12] == 0x08 && d[13] == 0x06)
    return true;
  /* ICMPv6 right behind the IPv6 header, types 133 to 137 (RFC 4861). */
  return d[12] == 0x86 && d[13] == 0xdd && frame->size > 54 && d[20] == 58 &&
      d[54] >= 133 && d[54] <= 137;
}

static void
wire_put (Direction *dir, Frame *frame, uint64_t left_queue)
{
  Frame *before = dir->wire.tail;

  frame->due = left_queue + dir->delay +
      (uint64_t) (random_unit (dir) * (double) dir->jitter);
  if (!dir->reorder && frame->due < dir->last_due)
    frame->due = dir->last_due;
  dir->last_due = frame->due;

  while (before && before->due > frame->due)
    before = before->prev;
  list_insert_after (&dir->wire, before, frame);
}

/* Takes ownership of frame. */
static void
frame_arrived (Direction *dir, Frame *frame, uint64_t now)
{
  dir->received++;
  dir->received_bytes += frame->size;

  if (dir->down) {
    dir->swallowed++;
  } else if (dir->drop_next) {
    dir->drop_next--;
    dir->lost++;
  } else if (dir->loss > 0 && !is_neighbour_discovery (frame) &&
      random_unit (dir) < dir->loss) {
    dir->lost++;
  } else if (!dir->rate && !dir->queue.head) {
    wire_put (dir, frame, now);
    return;
  } else if (dir->queue.bytes + frame->size > dir->queue_limit) {
    dir->overflowed++;
  } else {
    if (!dir->queue.head)
      dir->sent_at = now + time_on_wire (dir, frame->size);
    frame->due = now;
    list_insert_after (&dir->queue, dir->queue.tail, frame);
    return;
  }
  frame_give (frame);
}

/* Moves what is due by now; returns when to come back, UINT64_MAX for never. */
static uint64_t
direction_advance (Direction *dir, uint64_t now)
{
  uint64_t next = UINT64_MAX;

  while (dir->queue.head && dir->sent_at <= now) {
    Frame *frame = list_pop (&dir->queue);
    Frame *next = dir->queue.head;

    wire_put (dir, frame, dir->sent_at);
    /* When this process was late, it may have come after the wire was free. */
    if (next)
      dir->sent_at = (next->due > dir->sent_at ? next->due : dir->sent_at) +
          time_on_wire (dir, next->size);
  }
  if (dir->queue.head)
    next = dir->sent_at;

  while (dir->wire.head && dir->wire.head->due <= now) {
    Frame *frame = list_pop (&dir->wire);

    /* EIO: the device there is down. As on a real link, the frame is gone. */
    if (write (dir->out, frame->data, frame->size) == (ssize_t) frame->size) {
      dir->delivered++;
      dir->delivered_bytes += frame->size;
    } else {
      dir->refused++;
    }
    frame_give (frame);
  }
  if (dir->wire.head && dir->wire.head->due < next)
    next = dir->wire.head->due;
  return next;
}

/* Returns false when there may be more to read. */
static bool
direction_read (Direction *dir)
{
  uint64_t now = now_ns ();

  for (int i = 0; i < READ_BATCH; i++) {
    Frame *frame = frame_take ();
    uint8_t waste[FRAME_MAX];
    ssize_t size = read (dir->in, frame ? frame->data : waste, FRAME_MAX);

    if (size <= 0) {
      if (frame)
        frame_give (frame);
      return true;
    }
    if (!frame) {
      dir->overflowed++;
      continue;
    }
    frame->size = (size_t) size;
    frame_arrived (dir, frame, now);
  }
  return false;
}

static bool
parse_number (const char *word, double max, double *value)
{
  char *end;

  if (!word)
    return false;
  *value = strtod (word, &end);
  return end != word && !*end && isfinite (*value) && *value >= 0 &&
      *value <= max;
}

static bool
parse_switch (const char *word, bool *value)
{
  if (!word || (strcmp (word, "on") && strcmp (word, "off")))
    return false;
  *value = !strcmp (word, "on");
  return true;
}

static bool
setting_apply (Direction *dir, const char *word, const char *value)
{
  double number;
  bool on;

  if (!strcmp (word, "down") || !strcmp (word, "up"))
    dir->down = !strcmp (word, "down");
  else if (!strcmp (word, "delay") && parse_number (value, 60000, &number))
    dir->delay = (uint64_t) (number * NS_PER_MS);
  else if (!strcmp (word, "jitter") && parse_number (value, 60000, &number))
    dir->jitter = (uint64_t) (number * NS_PER_MS);
  else if (!strcmp (word, "loss") && parse_number (value, 100, &number))
    dir->loss = number / 100;
  else if (!strcmp (word, "rate") && parse_number (value, 1e12, &number))
    dir->rate = (uint64_t) number;
  else if (!strcmp (word, "queue") && parse_number (value, 1e9, &number))
    dir->queue_limit = (size_t) number;
  else if (!strcmp (word, "drop") && parse_number (value, 1e9, &number))
    dir->drop_next = (uint64_t) number;
  else if (!strcmp (word, "reorder") && parse_switch (value, &on))
    dir->reorder = on;
  else if (!strcmp (word, "carrier") && parse_switch (value, &on))
    return ioctl (dir->in, TUNSETCARRIER, &(int){ on }) == 0;
  else
    return false;
  return true;
}

static void
print_direction (const Direction *dir, const char *after)
{
  printf (
      "\"%s\": {\"received\": %llu, \"received-bytes\": %llu, \"delivered\": %llu, "
      "\"delivered-bytes\": %llu, \"lost\": %llu, \"swallowed\": %llu, "
      "\"overflowed\": %llu, \"refused\": %llu, \"waiting-bytes\": %zu, "
      "\"under-way-bytes\": %zu}%s",
      dir->name, (unsigned long long) dir->received,
      (unsigned long long) dir->received_bytes,
      (unsigned long long) dir->delivered,
      (unsigned long long) dir->delivered_bytes, (unsigned long long) dir->lost,
      (unsigned long long) dir->swallowed, (unsigned long long) dir->overflowed,
      (unsigned long long) dir->refused, dir->queue.bytes, dir->wire.bytes,
      after);
}

static void
command_run (char *line)
{
  char *rest = NULL;
  char *word = strtok_r (line, " \t\r", &rest);
  unsigned mask;

  if (!word)
    return;
  if (!strcmp (word, "quit")) {
    stopped = 1;
    puts ("ok");
    return;
  }
  if (!strcmp (word, "stats")) {
    putchar ('{');
    print_direction (&dirs[0], ", ");
    print_direction (&dirs[1], "}\n");
    return;
  }

  mask = !strcmp (word, "a")   ? 1
      : !strcmp (word, "b")    ? 2
      : !strcmp (word, "both") ? 3
                               : 0;
  if (!mask) {
    printf ("error: unknown command '%s'\n", word);
    return;
  }
  while ((word = strtok_r (NULL, " \t\r", &rest))) {
    bool alone = !strcmp (word, "down") || !strcmp (word, "up");
    const char *value = alone ? NULL : strtok_r (NULL, " \t\r", &rest);

    for (int i = 0; i < 2; i++) {
      if ((mask & (1u << i)) && !setting_apply (&dirs[i], word, value)) {
        printf ("error: cannot set '%s' to '%s'\n", word, value ? value : "");
        return;
      }
    }
  }
  puts ("ok");
}

/* Returns false at the end of the input. */
static bool
commands_read (void)
{
  static char buffer[1024];
  static size_t filled;
  ssize_t n = read (STDIN_FILENO, buffer + filled, sizeof buffer - 1 - filled);
  char *start = buffer;
  char *newline;

  if (n < 0)
    return errno == EAGAIN || errno == EINTR;
  if (n == 0)
    return false;
  filled += (size_t) n;
  buffer[filled] = '\0';
  while ((newline = strchr (start, '\n'))) {
    *newline = '\0';
    command_run (start);
    start = newline + 1;
  }
  filled = strlen (start);
  memmove (buffer, start, filled);
  if (filled == sizeof buffer - 1) {
    puts ("error: line too long");
    filled = 0;
  }
  fflush (stdout);
  return true;
}

/* Makes the TAP device IFNAME in NETNS, up, and returns its file. */
static int
tap_open (const char *spec)
{
  char netns[256];
  char path[300];
  const char *colon = strchr (spec, ':');
  struct ifreq ifr = { 0 };
  int home;
  int ns;
  int fd;
  int s;

  if (!colon || (size_t) (colon - spec) >= sizeof netns ||
      strlen (colon + 1) >= IFNAMSIZ) {
    fprintf (stderr, "linkem: '%s' is not NETNS:IFNAME\n", spec);
    exit (2);
  }
  snprintf (netns, sizeof netns, "%.*s", (int) (colon - spec), spec);
  snprintf (ifr.ifr_name, sizeof ifr.ifr_name, "%s", colon + 1);

  home = open ("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (strcmp (netns, ".")) {
    snprintf (path, sizeof path, "/run/netns/%s", netns);
    ns = open (path, O_RDONLY | O_CLOEXEC);
    if (ns < 0 || setns (ns, CLONE_NEWNET)) {
      fprintf (stderr, "linkem: cannot enter namespace %s: %s\n", netns,
          strerror (errno));
      exit (1);
    }
    close (ns);
  }

  /* The device belongs to the namespace in which the file was opened. */
  fd = open ("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  ifr.ifr_flags = IFF_TAP | IFF_NO_PI;
  if (fd < 0 || ioctl (fd, TUNSETIFF, &ifr)) {
    fprintf (stderr, "linkem: cannot make TAP %s: %s\n", spec,
        strerror (errno));
    exit (1);
  }

  s = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  /* Room for what comes while this process waits for a CPU. */
  ifr.ifr_qlen = 4096;
  if (ioctl (s, SIOCSIFTXQLEN, &ifr))
    fprintf (stderr, "linkem: %s keeps its queue length: %s\n", spec,
        strerror (errno));
  ifr.ifr_flags = 0;
  if (ioctl (s, SIOCGIFFLAGS, &ifr) == 0) {
    ifr.ifr_flags |= IFF_UP;
    if (ioctl (s, SIOCSIFFLAGS, &ifr))
      fprintf (stderr, "linkem: %s stays down: %s\n", spec, strerror (errno));
  }
  close (s);

  if (setns (home, CLONE_NEWNET)) {
    fprintf (stderr, "linkem: cannot come back: %s\n", strerror (errno));
    exit (1);
  }
  close (home);
  return fd;
}

static void
on_signal (int signum)
{
  (void) signum;
  stopped = 1;
}

static void
link_run (void)
{
  struct pollfd fds[3] = { { .fd = dirs[0].in, .events = POLLIN },
    { .fd = dirs[1].in, .events = POLLIN },
    { .fd = STDIN_FILENO, .events = POLLIN } };
  bool drained = true;

  while (!stopped) {
    uint64_t now = now_ns ();
    uint64_t next = direction_advance (&dirs[0], now);
    uint64_t next_b = direction_advance (&dirs[1], now);
    struct timespec timeout = { 0, 0 };

    next = next_b < next ? next_b : next;
    now = now_ns ();
    if (drained && next > now) {
      timeout.tv_sec = (time_t) ((next - now) / NS_PER_S);
      timeout.tv_nsec = (long) ((next - now) % NS_PER_S);
    }
    if (ppoll (fds, 3, drained && next == UINT64_MAX ? NULL : &timeout, NULL) <
        0) {
      if (errno == EINTR)
        continue;
      perror ("linkem: ppoll");
      return;
    }

    drained = true;
    for (int i = 0; i < 2; i++) {
      if (fds[i].revents)
        drained &= direction_read (&dirs[i]);
    }
    if (fds[2].revents && !commands_read ())
      return;
  }
}

int
main (int argc, char **argv)
{
  const char *spec[2] = { NULL, NULL };
  uint64_t seed = 1;
  struct sigaction action = { .sa_handler = on_signal };
  int fd[2];

  for (int i = 1; i + 1 < argc; i += 2) {
    if (!strcmp (argv[i], "--a"))
      spec[0] = argv[i + 1];
    else if (!strcmp (argv[i], "--b"))
      spec[1] = argv[i + 1];
    else if (!strcmp (argv[i], "--seed"))
      seed = strtoull (argv[i + 1], NULL, 0);
  }
  if (!spec[0] || !spec[1]) {
    fprintf (stderr,
        "usage: linkem --a NETNS:IFNAME --b NETNS:IFNAME [--seed N]\n");
    return 2;
  }

  for (int i = 0; i < 2; i++)
    fd[i] = tap_open (spec[i]);
  for (int i = 0; i < 2; i++) {
    dirs[i].name = i ? "b" : "a";
    dirs[i].in = fd[i];
    dirs[i].out = fd[!i];
    dirs[i].queue_limit = QUEUE_DEFAULT;
    dirs[i].random = seed * 2 + (uint64_t) i;
  }

  sigaction (SIGTERM, &action, NULL);
  sigaction (SIGINT, &action, NULL);
  /* The default slack of 50 us would be added to every delay. */
  prctl (PR_SET_TIMERSLACK, 1ul);
  /* A late link would be measured as a slow transport. */
  setpriority (PRIO_PROCESS, 0, -15);

  puts ("ready");
  fflush (stdout);
  link_run ();
  return 0;
}
