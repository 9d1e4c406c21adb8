/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How to read the `stats` structure and the element messages of quicp2psink and
 * quicp2psrc.  Their fields are told in session.h; `stats` is a snapshot, so
 * reading it once a second from any thread disturbs nothing. */
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

/* Members have names; without one the beginning of the id must do. */
static char *
get_peer (const GstStructure *message)
{
  const char *name = get_string (message, "peer-name");

  return *name ? g_strdup (name)
               : g_strdup_printf ("%.8s", get_string (message, "peer-id"));
}

static char *
tell_path (const GstStructure *message, const char *peer)
{
  double gap = 0;

  gst_structure_get_double (message, "gap-ms", &gap);
  return g_strdup_printf ("%s: now by %s <-> %s (%s), %.0f ms without a packet",
      peer, get_string (message, "local-address"),
      get_string (message, "remote-address"), get_string (message, "cause"),
      gap);
}

/* What is tried and how far it got is of interest only where it went wrong. */
static char *
tell_signaling (const GstStructure *message)
{
  const char *state = get_string (message, "state");

  if (g_str_equal (state, "joined"))
    return g_strdup ("signaling: joined");
  if (g_str_equal (state, "waiting"))
    return g_strdup_printf ("signaling: %s; trying again",
        get_string (message, "reason"));
  return NULL;
}

static char *
tell_session (const GstStructure *message)
{
  const char *state = get_string (message, "new-state");
  const char *reason = get_string (message, "reason");

  return *reason ? g_strdup_printf ("session: %s (%s)", state, reason)
                 : g_strdup_printf ("session: %s", state);
}

char *
report_message (const GstStructure *message)
{
  g_autofree char *peer = get_peer (message);

  if (gst_structure_has_name (message, "peer-joined"))
    return g_strdup_printf ("%s joined", peer);
  if (gst_structure_has_name (message, "peer-left"))
    return g_strdup_printf ("%s left: %s", peer,
        get_string (message, "reason"));
  if (gst_structure_has_name (message, "peer-renamed"))
    return g_strdup_printf ("%.8s is now %s", get_string (message, "peer-id"),
        peer);
  if (gst_structure_has_name (message, "path-changed"))
    return tell_path (message, peer);
  if (gst_structure_has_name (message, "path-lost"))
    return g_strdup_printf ("%s: path lost (%s)", peer,
        get_string (message, "cause"));
  if (gst_structure_has_name (message, "signaling-state"))
    return tell_signaling (message);
  if (gst_structure_has_name (message, "session-state"))
    return tell_session (message);
  return NULL;
}

gboolean
report_set_property (GstElement *element, const char *assignment,
    GError **error)
{
  g_auto (GStrv) parts = g_strsplit (assignment, "=", 2);
  const char *type = GST_OBJECT_NAME (gst_element_get_factory (element));
  g_auto (GValue) value = G_VALUE_INIT;
  GParamSpec *property = NULL;

  if (g_strv_length (parts) == 2)
    property = g_object_class_find_property (G_OBJECT_GET_CLASS (element),
        parts[0]);
  if (!property) {
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "%s: not of the form property=value with a property of %s", assignment,
        type);
    return FALSE;
  }
  g_value_init (&value, property->value_type);
  if (!gst_value_deserialize_with_pspec (&value, parts[1], property)) {
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "%s: no value for that property of %s", assignment, type);
    return FALSE;
  }
  g_object_set_property (G_OBJECT (element), parts[0], &value);
  return TRUE;
}
