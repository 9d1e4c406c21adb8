/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How to read the `stats` structure of quicp2psink and quicp2psrc.  Its fields
 * are told in the elements' documentation; it is a snapshot, so reading it once
 * a second from any thread disturbs nothing. */
#include "report.h"

static GstStructure *
get_stats (GstElement *element)
{
  GstStructure *stats = NULL;

  g_object_get (element, "stats", &stats, NULL);
  return stats ? stats : gst_structure_new_empty ("none");
}

static const char *
get_string (const GstStructure *stats, const char *field)
{
  const char *value = gst_structure_get_string (stats, field);

  return value ? value : "";
}

char *
report_line (GstElement *element, const char *bitrate)
{
  g_autoptr (GstStructure) stats = get_stats (element);
  const char *state = get_string (stats, "state");
  guint64 bits = 0;
  double rtt = 0;

  if (!gst_structure_has_field (stats, "local-address"))
    return g_strdup_printf ("%-12s no path yet", state);
  gst_structure_get_double (stats, "rtt-ms", &rtt);
  gst_structure_get_uint64 (stats, bitrate, &bits);
  return g_strdup_printf ("%-12s %s %s <-> %s %s  RTT %.1f ms  %.2f Mb/s",
      state, get_string (stats, "local-candidate-type"),
      get_string (stats, "local-address"),
      get_string (stats, "remote-candidate-type"),
      get_string (stats, "remote-address"), rtt, bits / 1e6);
}

static guint64
sum_flows (const GstStructure *peer, const char *kind, const char *field)
{
  const GValue *flows = gst_structure_get_value (peer, "flows");
  guint64 sum = 0, value;
  guint i;

  for (i = 0; flows && i < gst_value_array_get_size (flows); i++) {
    const GstStructure *flow =
        gst_value_get_structure (gst_value_array_get_value (flows, i));

    if (g_str_equal (get_string (flow, "kind"), kind) &&
        gst_structure_get_uint64 (flow, field, &value))
      sum += value;
  }
  return sum;
}

guint64
report_flow_total (GstElement *element, const char *kind, const char *field)
{
  g_autoptr (GstStructure) stats = get_stats (element);
  const GValue *peers = gst_structure_get_value (stats, "peers");
  guint64 sum = 0;
  guint i;

  for (i = 0; peers && i < gst_value_array_get_size (peers); i++)
    sum += sum_flows (gst_value_get_structure (gst_value_array_get_value (peers,
                          i)),
        kind, field);
  return sum;
}

gboolean
report_set_property (GstElement *element, const char *assignment,
    GError **error)
{
  g_auto (GStrv) parts = g_strsplit (assignment, "=", 2);

  if (g_strv_length (parts) != 2 ||
      !g_object_class_find_property (G_OBJECT_GET_CLASS (element), parts[0])) {
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "%s: not of the form property=value with a property of %s", assignment,
        GST_OBJECT_NAME (gst_element_get_factory (element)));
    return FALSE;
  }
  gst_util_set_object_arg (G_OBJECT (element), parts[0], parts[1]);
  return TRUE;
}
