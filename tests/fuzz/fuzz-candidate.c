/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Candidate lines from a peer: whatever the parser lets through must be
 * bounded, reachable and the same after one more turn through the formatter. */
#include "path/candidate.h"

#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree char *line = g_strndup ((const char *) data, size);
  g_autofree char *formatted = NULL;
  g_autoptr (GError) error = NULL;
  QpCandidate candidate, again;

  if (!qp_candidate_parse (line, &candidate, &error)) {
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
    g_assert_true (g_utf8_validate (error->message, -1, NULL));
    return 0;
  }
  g_assert_no_error (error);
  g_assert_cmpuint (candidate.port, !=, 0);
  g_assert_cmpuint (candidate.priority, !=, 0);
  if (!candidate.is_name) {
    g_autoptr (GInetAddress)
        address = g_inet_address_new_from_string (candidate.address);

    g_assert_nonnull (address);
    g_assert_true (qp_candidate_check_address (address, NULL));
  }
  formatted = qp_candidate_format (&candidate);
  g_assert_cmpuint (strlen (formatted), <=, QP_CANDIDATE_MAX_LINE);
  g_assert_true (qp_candidate_parse (formatted, &again, NULL));
  g_assert_cmpmem (&candidate, sizeof candidate, &again, sizeof again);
  return 0;
}
