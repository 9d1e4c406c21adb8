/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Datagrams out.  A direct pair's datagrams are written to the selected socket
 * itself, whole batches in one system call with UDP_SEGMENT; libnice is not
 * asked, because it has no call for that, and nothing is ever read from the
 * socket here.  Relayed pairs go through libnice, which wraps them for TURN.
 * Runs on the path's thread. */
#include "path/path-private.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

/* The kernel's own limits for one UDP_SEGMENT call (UDP_MAX_SEGMENTS, and what
 * an IP packet holds). */
#define MAX_SEGMENTS 64
#define MAX_GSO_BYTES 65000
/* libnice tells no moment when a relay takes data again (before 0.1.23). */
#define RELAY_RETRY 5 /* ms */

/* The outcome of one attempt: how many datagrams went out, and the errno that
 * stopped it, 0 if nothing did. */
typedef struct {
  guint sent;
  int error;
} Attempt;

static Attempt
send_gso (QpPath *path, const guint8 *data, gsize size, gsize segment)
{
  struct iovec iov = { (void *) data, size };
  union {
    char buffer[CMSG_SPACE (sizeof (guint16))];
    struct cmsghdr align;
  } control = { { 0 } };
  struct msghdr message = {
    .msg_name = &path->remote_address,
    .msg_namelen = path->remote_address_size,
    .msg_iov = &iov,
    .msg_iovlen = 1,
    .msg_control = control.buffer,
    .msg_controllen = sizeof control.buffer,
  };
  struct cmsghdr *header = CMSG_FIRSTHDR (&message);
  const guint16 segment16 = segment;
  gssize result;

  header->cmsg_level = IPPROTO_UDP;
  header->cmsg_type = UDP_SEGMENT;
  header->cmsg_len = CMSG_LEN (sizeof segment16);
  memcpy (CMSG_DATA (header), &segment16, sizeof segment16);

  do {
    result = sendmsg (g_socket_get_fd (path->socket), &message, MSG_DONTWAIT);
  } while (result < 0 && errno == EINTR);
  if (result < 0)
    return (Attempt){ 0, errno };
  return (Attempt){ (size + segment - 1) / segment, 0 };
}

static Attempt
send_each (QpPath *path, const guint8 *data, gsize size, gsize segment)
{
  struct mmsghdr messages[MAX_SEGMENTS] = { 0 };
  struct iovec iov[MAX_SEGMENTS];
  guint n = 0;
  int result;

  for (gsize offset = 0; offset < size; offset += segment, n++) {
    iov[n].iov_base = (void *) (data + offset);
    iov[n].iov_len = MIN (segment, size - offset);
    messages[n].msg_hdr.msg_name = &path->remote_address;
    messages[n].msg_hdr.msg_namelen = path->remote_address_size;
    messages[n].msg_hdr.msg_iov = &iov[n];
    messages[n].msg_hdr.msg_iovlen = 1;
  }
  do {
    result = sendmmsg (g_socket_get_fd (path->socket), messages, n,
        MSG_DONTWAIT);
  } while (result < 0 && errno == EINTR);
  if (result < 0)
    return (Attempt){ 0, errno };
  return (Attempt){ result, 0 };
}

/* EIO: the interface cannot checksum segments. EINVAL: it cannot segment, or
 * the segment exceeds its MTU (EMSGSIZE in newer kernels), or the kernel is
 * older than UDP_SEGMENT. */
static gboolean
is_gso_refusal (int error)
{
  return error == EIO || error == EINVAL || error == EOPNOTSUPP ||
      error == ENOPROTOOPT || error == EMSGSIZE;
}

static Attempt
send_direct (QpPath *path, const guint8 *data, gsize size, gsize segment)
{
  if (segment < path->gso_below && size > segment) {
    Attempt attempt = send_gso (path, data, size, segment);

    if (!is_gso_refusal (attempt.error))
      return attempt;
    GST_INFO ("path %u: sends datagrams one by one from now on, UDP_SEGMENT "
              "of %" G_GSIZE_FORMAT " bytes was refused: %s",
        path->id, segment, g_strerror (attempt.error));
    /* A large segment may have been refused for its size. */
    path->gso_below = segment > QP_PATH_SAFE_PAYLOAD ? segment : 0;
  }
  return send_each (path, data, size, segment);
}

static Attempt
send_relayed (QpPath *path, const guint8 *data, gsize size, gsize segment)
{
  NiceOutputMessage messages[MAX_SEGMENTS];
  GOutputVector vectors[MAX_SEGMENTS];
  g_autoptr (GError) error = NULL;
  guint n = 0;
  int result;

  for (gsize offset = 0; offset < size; offset += segment, n++) {
    vectors[n].buffer = data + offset;
    vectors[n].size = MIN (segment, size - offset);
    messages[n].buffers = &vectors[n];
    messages[n].n_buffers = 1;
  }
  result = nice_agent_send_messages_nonblocking (path->agent, path->stream,
      QP_PATH_COMPONENT, messages, n, NULL, &error);
  if (result >= 0)
    return (Attempt){ result, 0 };
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
    return (Attempt){ 0, EAGAIN };
  /* libnice does not say why. If the relay is gone, small datagrams will tell. */
  return (Attempt){ 0, segment > QP_PATH_SAFE_PAYLOAD ? EMSGSIZE : EIO };
}

static void
note_error (QpPath *path, int error)
{
  path->send_errors++;
  if (error == path->last_errno)
    return;
  path->last_errno = error;
  GST_WARNING ("path %u: cannot send to %s: %s", path->id,
      path->pair_remote.address, g_strerror (error));
}

/* The longest run of whole segments that one call may take. */
static gsize
next_chunk (gsize size, gsize segment)
{
  gsize segments = CLAMP (MAX_GSO_BYTES / segment, 1, MAX_SEGMENTS);

  return MIN (size, segments * segment);
}

QpPathSendResult
qp_path_send (QpPath *path, const guint8 *data, gsize size, gsize segment,
    gsize *sent)
{
  gsize done = 0;
  QpPathSendResult result = QP_PATH_SEND_OK;

  g_return_val_if_fail (segment > 0 && segment <= G_MAXUINT16,
      QP_PATH_SEND_ERROR);

  if (path->state != QP_PATH_CONNECTED) {
    path->send_errors++;
    result = QP_PATH_SEND_ERROR;
  }
  while (result == QP_PATH_SEND_OK && done < size) {
    gsize chunk = next_chunk (size - done, segment);
    Attempt attempt = path->socket
        ? send_direct (path, data + done, chunk, segment)
        : send_relayed (path, data + done, chunk, segment);
    gsize bytes = MIN ((gsize) attempt.sent * segment, chunk);

    path->datagrams_sent += attempt.sent;
    path->bytes_sent += bytes;
    done += bytes;
    if (attempt.error == 0) {
      path->last_errno = 0;
    } else if (attempt.error == EAGAIN || attempt.error == EWOULDBLOCK) {
      result = QP_PATH_SEND_AGAIN;
    } else if (attempt.error == EMSGSIZE) {
      /* Too large for this network, and only this datagram: the path is well,
       * and whoever probes for the path MTU takes it as lost. */
      GST_DEBUG ("path %u: %" G_GSIZE_FORMAT " bytes are too large to send",
          path->id, MIN (segment, size - done));
      path->send_errors++;
      done += MIN (segment, size - done);
    } else {
      note_error (path, attempt.error);
      result = QP_PATH_SEND_ERROR;
    }
  }
  if (sent)
    *sent = done;
  return result;
}

static void
clear_writable (QpPath *path)
{
  if (!path->writable)
    return;
  g_source_destroy (path->writable);
  g_clear_pointer (&path->writable, g_source_unref);
}

static gboolean
fire_writable (QpPath *path)
{
  void (*func) (QpPath *, gpointer) = path->writable_func;

  path->writable_func = NULL;
  clear_writable (path);
  if (func && path->state == QP_PATH_CONNECTED)
    func (path, path->user);
  return G_SOURCE_REMOVE;
}

static gboolean
on_socket_writable (GSocket *socket, GIOCondition condition, gpointer user)
{
  return fire_writable (user);
}

static gboolean
on_retry (gpointer user)
{
  return fire_writable (user);
}

static void
watch_writable (QpPath *path)
{
  clear_writable (path);
  if (path->socket) {
    path->writable = g_socket_create_source (path->socket, G_IO_OUT, NULL);
    g_source_set_callback (path->writable, G_SOURCE_FUNC (on_socket_writable),
        path, NULL);
  } else {
    path->writable = g_timeout_source_new (RELAY_RETRY);
    g_source_set_callback (path->writable, on_retry, path, NULL);
  }
  g_source_attach (path->writable, path->context);
}

void
qp_path_notify_writable (QpPath *path,
    void (*writable) (QpPath *path, gpointer user))
{
  if (path->state != QP_PATH_CONNECTED)
    return;
  path->writable_func = writable;
  watch_writable (path);
}

void
qp_path_use_pair (QpPath *path)
{
  g_clear_object (&path->socket);
  path->socket = nice_agent_get_selected_socket (path->agent, path->stream,
      QP_PATH_COMPONENT);
  path->remote_address = path->pair_address;
  path->remote_address_size = path->pair_address.ss_family == AF_INET6
      ? sizeof (struct sockaddr_in6)
      : sizeof (struct sockaddr_in);
  path->gso_below = G_MAXSIZE;
  path->last_errno = 0;
  /* Whoever waits for the former socket waits for this one now. */
  if (path->writable_func)
    watch_writable (path);
}

void
qp_path_stop_sending (QpPath *path)
{
  clear_writable (path);
  path->writable_func = NULL;
  g_clear_object (&path->socket);
}
