/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Candidate lines as peers send them, well-meaning and hostile. */
#include "path/candidate.h"

#include <string.h>

typedef struct {
  const char *line;
  QpCandidateType type;
  const char *address;
  guint16 port;
  guint32 priority;
  const char *formatted; /* NULL: as `line` */
} Good;

static const Good good[] = {
  { "candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host", QP_CANDIDATE_HOST,
      "192.0.2.1", 50000, 2130706431, NULL },
  { "candidate:842163049 1 udp 1677729535 203.0.113.9 4711 typ srflx "
    "raddr 10.0.0.1 rport 5000",
      QP_CANDIDATE_SRFLX, "203.0.113.9", 4711, 1677729535, NULL },
  { "a=candidate:a+/Z 1 UDP 1 2001:db8::1 1 typ relay raddr :: rport 0\r\n",
      QP_CANDIDATE_RELAY, "2001:db8::1", 1, 1,
      "candidate:a+/Z 1 udp 1 2001:db8::1 1 typ relay raddr :: rport 0" },
  /* The seed's form, with aioice's 32 characters of foundation. */
  { "0123456789abcdef0123456789abcdef 1 udp 2130706431 10.1.2.3 65535 typ host",
      QP_CANDIDATE_HOST, "10.1.2.3", 65535, 2130706431,
      "candidate:0123456789abcdef0123456789abcdef 1 udp 2130706431 10.1.2.3 "
      "65535 typ host" },
  /* A browser's, with its extensions and an mDNS name. */
  { "candidate:1467250027 1 udp 2122260223 "
    "4f2b8a3c-9b7e-4c7e-9d44-0123456789ab.local 46243 typ host generation 0 "
    "ufrag EEtu network-id 1 network-cost 10",
      QP_CANDIDATE_HOST, "4f2b8a3c-9b7e-4c7e-9d44-0123456789ab.local", 46243,
      2122260223,
      "candidate:1467250027 1 udp 2122260223 "
      "4f2b8a3c-9b7e-4c7e-9d44-0123456789ab.local 46243 typ host" },
  { "candidate:1 1 udp 2147483647 2001:DB8:0:0::1 9 typ prflx",
      QP_CANDIDATE_PRFLX, "2001:db8::1", 9, 2147483647,
      "candidate:1 1 udp 2147483647 2001:db8::1 9 typ prflx" },
  { "candidate:1  1  udp  7  127.0.0.1  9  typ  host", QP_CANDIDATE_HOST,
      "127.0.0.1", 9, 7, "candidate:1 1 udp 7 127.0.0.1 9 typ host" },
  { "candidate:1 1 udp 7 ::1 9 typ host", QP_CANDIDATE_HOST, "::1", 9, 7,
      NULL },
  /* A hidden or nonsensical related address is no reason to refuse. */
  { "candidate:1 1 udp 7 192.0.2.1 9 typ srflx raddr hidden rport 99999",
      QP_CANDIDATE_SRFLX, "192.0.2.1", 9, 7,
      "candidate:1 1 udp 7 192.0.2.1 9 typ srflx" },
};

/* `why` must be in the error. */
static const struct {
  const char *line;
  const char *why;
} bad[] = {
  { NULL, "missing" },
  { "", "fields" },
  { "candidate:", "fields" },
  { "   \t ", "fields" },
  { "candidate:1 1 udp 1 192.0.2.1 9 typ", "fields" },
  { "candidate: 1 udp 1 192.0.2.1 9 typ host", "fields" },
  { "candidate:1 1 udp 1 192.0.2.1 9 typ host generation", "no value" },
  { "candidate:1 1 udp 1 192.0.2.1 9 tpy host", "typ" },
  { "candidate:1 1 udp 1 192.0.2.1 9 typ Host", "type" },
  { "candidate:1 1 udp 1 192.0.2.1 9 typ hostile", "type" },
  { "candidate:1 0 udp 1 192.0.2.1 9 typ host", "component" },
  { "candidate:1 2 udp 1 192.0.2.1 9 typ host", "component" },
  { "candidate:1 one udp 1 192.0.2.1 9 typ host", "component" },
  { "candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype active", "UDP" },
  { "candidate:1 1 ssltcp 1 192.0.2.1 9 typ host", "UDP" },
  { "candidate:1 1 udp 0 192.0.2.1 9 typ host", "priority" },
  { "candidate:1 1 udp -1 192.0.2.1 9 typ host", "priority" },
  { "candidate:1 1 udp 2147483648 192.0.2.1 9 typ host", "priority" },
  { "candidate:1 1 udp 99999999999999999999 192.0.2.1 9 typ host", "priority" },
  { "candidate:1 1 udp 0x10 192.0.2.1 9 typ host", "priority" },
  { "candidate:1 1 udp 1 192.0.2.1 0 typ host", "port" },
  { "candidate:1 1 udp 1 192.0.2.1 65536 typ host", "port" },
  { "candidate:1 1 udp 1 192.0.2.1 +9 typ host", "port" },
  { "candidate:1 1 udp 1 192.0.2.1 nine typ host", "port" },
  { "candidate:0123456789abcdef0123456789abcdefX 1 udp 1 192.0.2.1 9 typ host",
      "foundation" },
  { "candidate:f%s 1 udp 1 192.0.2.1 9 typ host", "foundation" },
  { "candidate:1 1 udp 1 0.0.0.0 9 typ host", "unspecified" },
  { "candidate:1 1 udp 1 :: 9 typ host", "unspecified" },
  { "candidate:1 1 udp 1 0.1.2.3 9 typ host", "reserved" },
  { "candidate:1 1 udp 1 224.0.0.1 9 typ host", "multicast" },
  { "candidate:1 1 udp 1 239.255.255.250 1900 typ srflx", "multicast" },
  { "candidate:1 1 udp 1 ff02::1 9 typ host", "multicast" },
  { "candidate:1 1 udp 1 255.255.255.255 9 typ host", "broadcast" },
  { "candidate:1 1 udp 1 240.0.0.1 9 typ relay", "reserved" },
  { "candidate:1 1 udp 1 ::ffff:127.0.0.1 9 typ host", "IPv4 inside IPv6" },
  { "candidate:1 1 udp 1 ::127.0.0.1 9 typ host", "IPv4 inside IPv6" },
  { "candidate:1 1 udp 1 example.com 9 typ host", "neither numeric" },
  { "candidate:1 1 udp 1 localhost 9 typ host", "neither numeric" },
  { "candidate:1 1 udp 1 a.b.local 9 typ host", "neither numeric" },
  { "candidate:1 1 udp 1 .local 9 typ host", "neither numeric" },
  { "candidate:1 1 udp 1 -a.local 9 typ host", "neither numeric" },
  { "candidate:1 1 udp 1 a.local. 9 typ host", "neither numeric" },
  { "candidate:1 1 udp 1 a_b.local 9 typ host", "neither numeric" },
  { "candidate:1 1 udp 1 192.0.2.1.5 9 typ host", "neither numeric" },
  { "candidate:1 1 udp 1 2130706433 9 typ host", "neither numeric" },
  { "candidate:1 1 udp 1 "
    "0123456789012345678901234567890123456789012345678901234567890123.local "
    "9 typ host",
      "too long" },
  { "candidate:1 1 udp 1 192.0.2.1 9 typ host\r\na=candidate:evil",
      "printable" },
  { "candidate:1 1 udp 1 192.0.2.1\x01 9 typ host", "printable" },
  { "candidate:1 1 udp 1 192.0.2.\xc2\xb9 9 typ host", "printable" },
};

static void
test_good (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (good); i++) {
    const Good *row = &good[i];
    g_autofree char *formatted = NULL;
    g_autoptr (GError) error = NULL;
    QpCandidate candidate, again;

    g_assert_true (qp_candidate_parse (row->line, &candidate, &error));
    g_assert_no_error (error);
    g_assert_cmpint (candidate.type, ==, row->type);
    g_assert_cmpstr (candidate.address, ==, row->address);
    g_assert_cmpuint (candidate.port, ==, row->port);
    g_assert_cmpuint (candidate.priority, ==, row->priority);
    g_assert_cmpint (candidate.is_name, ==,
        g_str_has_suffix (row->address, ".local"));

    formatted = qp_candidate_format (&candidate);
    g_assert_cmpstr (formatted, ==,
        row->formatted ? row->formatted : row->line);
    g_assert_true (qp_candidate_parse (formatted, &again, &error));
    g_assert_cmpmem (&candidate, sizeof candidate, &again, sizeof again);
  }
}

static void
test_bad (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (GError) error = NULL;
    QpCandidate candidate;

    g_assert_false (qp_candidate_parse (bad[i].line, &candidate, &error));
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
    if (!strstr (error->message, bad[i].why))
      g_error ("\"%s\": \"%s\" does not say \"%s\"", bad[i].line,
          error->message, bad[i].why);
    g_assert_true (g_utf8_validate (error->message, -1, NULL));
    /* Callers who only want to know need no error. */
    g_assert_false (qp_candidate_parse (bad[i].line, &candidate, NULL));
  }
}

/* Exactly 512 bytes pass, one more does not. */
static void
test_length (void)
{
  GString *line = g_string_new ("candidate:1 1 udp 1 192.0.2.1 9 typ host x ");
  g_autoptr (GError) error = NULL;
  QpCandidate candidate;

  while (line->len < QP_CANDIDATE_MAX_LINE)
    g_string_append_c (line, 'y');
  g_assert_true (qp_candidate_parse (line->str, &candidate, &error));
  g_assert_no_error (error);
  g_string_append_c (line, 'y');
  g_assert_false (qp_candidate_parse (line->str, &candidate, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
  g_string_free (line, TRUE);
}

static void
test_credentials (void)
{
  const char *ufrag = "aB+/", *password = "0123456789012345678901";
  g_autofree char *long_text = g_strnfill (256, 'a');
  g_autofree char *too_long = g_strnfill (257, 'a');

  g_assert_true (qp_candidate_check_credentials (ufrag, password, NULL));
  g_assert_true (qp_candidate_check_credentials (long_text, long_text, NULL));
  g_assert_false (qp_candidate_check_credentials ("abc", password, NULL));
  g_assert_false (qp_candidate_check_credentials ("ab c", password, NULL));
  g_assert_false (qp_candidate_check_credentials ("ab:c", password, NULL));
  g_assert_false (qp_candidate_check_credentials (too_long, password, NULL));
  g_assert_false (qp_candidate_check_credentials (ufrag, too_long, NULL));
  g_assert_false (qp_candidate_check_credentials (ufrag,
      "012345678901234567890", NULL));
  g_assert_false (qp_candidate_check_credentials (NULL, password, NULL));
  g_assert_false (qp_candidate_check_credentials (ufrag, NULL, NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/candidate/good", test_good);
  g_test_add_func ("/candidate/bad", test_bad);
  g_test_add_func ("/candidate/length", test_length);
  g_test_add_func ("/candidate/credentials", test_credentials);
  return g_test_run ();
}
