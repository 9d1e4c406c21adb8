/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the elements say about themselves, and their URI handlers.  No network. */
#include <gst/check/gstcheck.h>

typedef struct {
  const char *name;
  const char
      *value; /* the default, serialised; NULL: NULL, or nothing to read */
  GParamFlags access;
} Property;

#define RW G_PARAM_READWRITE
#define RO G_PARAM_READABLE
#define WO G_PARAM_WRITABLE

#define COMMON_PROPERTIES                                                     \
  { "uri", NULL, RW }, { "session", NULL, RW }, { "display-name", NULL, RW }, \
      { "room-secret", NULL, WO }, { "stun-server", NULL, RW },               \
      { "turn-server", NULL, WO }, { "ice-transport-policy", "all", RW },     \
      { "min-port", "0", RW }, { "max-port", "0", RW },                       \
      { "certificate", NULL, RW }, { "key", NULL, RW },                       \
      { "ca-file", NULL, RW }, { "peer-name", NULL, RW },                     \
      { "peer-fingerprint", NULL, RW }, { "fingerprint", NULL, RO },          \
      { "congestion-control", "bbr", RW }, { "qlog-dir", NULL, RW },          \
      { "disconnect-timeout", "0", RW }, { "interfaces", NULL, RW },          \
  {                                                                           \
    "stats", NULL, RO                                                         \
  }

static const Property sink_properties[] = {
  COMMON_PROPERTIES,
  { "connect-timeout", "0", RW },
  { "mapping", "stream-per-frame", RW },
  { "frame-deadline", "400", RW },
  { "run-signaling-server", "false", RW },
  { "estimated-bitrate", "0", RO },
  { "min-bitrate", "100000", RW },
  { "max-bitrate", "0", RW },
  { "adapt", "median", RW },
  { "encoder", NULL, RW },
};

static const Property src_properties[] = {
  COMMON_PROPERTIES,
  { "connect-timeout", "30000", RW },
  { "latency", "200", RW },
  { "producer", NULL, RW },
  { "producer-timeout", "10000", RW },
};

static char *
get_serialised (GObject *object, GParamSpec *pspec)
{
  GValue value = G_VALUE_INIT;
  char *text;

  g_value_init (&value, pspec->value_type);
  g_object_get_property (object, pspec->name, &value);
  if (G_VALUE_HOLDS_STRING (&value))
    text = g_value_dup_string (&value);
  else if (G_VALUE_HOLDS_ENUM (&value))
    text = g_strdup (g_enum_get_value (g_type_class_peek (pspec->value_type),
        g_value_get_enum (&value))
                         ->value_nick);
  else if (G_VALUE_HOLDS_BOXED (&value))
    text = NULL;
  else
    text = gst_value_serialize (&value);
  g_value_unset (&value);
  return text;
}

static void
check_properties (const char *factory, const Property *table, guint n)
{
  g_autoptr (GstElement)
      element = gst_object_ref_sink (gst_element_factory_make (factory, NULL));
  GObjectClass *klass = G_OBJECT_GET_CLASS (element);
  g_autofree GParamSpec **all = NULL;
  guint n_all, n_own = 0;

  for (guint i = 0; i < n; i++) {
    GParamSpec *pspec = g_object_class_find_property (klass, table[i].name);
    g_autofree char *value = NULL;

    fail_unless (pspec != NULL, "%s is missing", table[i].name);
    fail_unless_equals_int (pspec->flags & RW, table[i].access);
    if (pspec->flags & G_PARAM_READABLE) {
      value = get_serialised (G_OBJECT (element), pspec);
      fail_unless (g_strcmp0 (value, table[i].value) == 0, "%s is %s",
          table[i].name, value);
    }
  }

  /* None beside those; each explained, with the unit where there is one. */
  all = g_object_class_list_properties (klass, &n_all);
  for (guint i = 0; i < n_all; i++) {
    const char *blurb = g_param_spec_get_blurb (all[i]);

    if (all[i]->owner_type != G_OBJECT_TYPE (element))
      continue;
    n_own++;
    fail_unless (blurb && strlen (blurb) > 15, "%s has no blurb", all[i]->name);
    if (G_IS_PARAM_SPEC_UINT (all[i]) &&
        !g_str_has_suffix (all[i]->name, "-port"))
      fail_unless (strstr (blurb, "in ms (") || strstr (blurb, "in ms,"),
          "%s has no unit", all[i]->name);
    if (g_str_has_suffix (all[i]->name, "-bitrate"))
      fail_unless (strstr (blurb, "in bit/s"), "%s has no unit", all[i]->name);
    if (all[i]->flags & G_PARAM_WRITABLE)
      fail_unless (all[i]->flags &
              (GST_PARAM_MUTABLE_READY | GST_PARAM_MUTABLE_PLAYING),
          "%s does not say when it may change", all[i]->name);
  }
  fail_unless_equals_int (n_own, n);
}

GST_START_TEST (test_properties)
{
  check_properties ("quicp2psink", sink_properties,
      G_N_ELEMENTS (sink_properties));
  check_properties ("quicp2psrc", src_properties,
      G_N_ELEMENTS (src_properties));
}
GST_END_TEST

/* What is set can be read again. */
GST_START_TEST (test_round_trip)
{
  static const char *const strings[] = { "session", "display-name",
    "stun-server", "certificate", "key", "ca-file", "peer-name",
    "peer-fingerprint", "qlog-dir", "producer" };
  GstElement *src = gst_element_factory_make ("quicp2psrc", NULL);
  guint number;

  for (guint i = 0; i < G_N_ELEMENTS (strings); i++) {
    g_autofree char *value = NULL;

    g_object_set (src, strings[i], strings[i], NULL);
    g_object_get (src, strings[i], &value, NULL);
    fail_unless_equals_string (value, strings[i]);
  }
  g_object_set (src, "latency", 17, "min-port", 5000, "max-port", 5009,
      "producer-timeout", 3, "connect-timeout", 4, NULL);
  g_object_get (src, "latency", &number, NULL);
  fail_unless_equals_int (number, 17);
  g_object_get (src, "min-port", &number, NULL);
  fail_unless_equals_int (number, 5000);
  g_object_get (src, "max-port", &number, NULL);
  fail_unless_equals_int (number, 5009);
  g_object_get (src, "producer-timeout", &number, NULL);
  fail_unless_equals_int (number, 3);
  g_object_get (src, "connect-timeout", &number, NULL);
  fail_unless_equals_int (number, 4);
  gst_object_unref (src);
}
GST_END_TEST

/* --- URIs ------------------------------------------------------------------ */

GST_START_TEST (test_uri_types)
{
  static const char *const uris[] = { "quicp2p://host/room",
    "quicp2ps://host:1/room" };

  for (guint i = 0; i < G_N_ELEMENTS (uris); i++) {
    g_autoptr (GstElement) src = NULL;
    g_autoptr (GstElement) sink = NULL;
    g_autofree char *got = NULL;

    src = gst_element_make_from_uri (GST_URI_SRC, uris[i], NULL, NULL);
    sink = gst_element_make_from_uri (GST_URI_SINK, uris[i], NULL, NULL);
    fail_unless (src && sink);
    gst_object_ref_sink (src);
    gst_object_ref_sink (sink);
    fail_unless_equals_string (G_OBJECT_TYPE_NAME (src), "GstQuicP2PSrc");
    fail_unless_equals_string (G_OBJECT_TYPE_NAME (sink), "GstQuicP2PSink");
    got = gst_uri_handler_get_uri (GST_URI_HANDLER (src));
    fail_unless_equals_string (got, uris[i]);
  }
}
GST_END_TEST

GST_START_TEST (test_uri_query)
{
  GstElement *src = gst_element_factory_make ("quicp2psrc", NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *stun = NULL, *uri = NULL, *name = NULL;
  guint latency, policy;

  fail_unless (gst_uri_handler_set_uri (GST_URI_HANDLER (src),
                   "quicp2p://host/room?latency=50&stun-server=stun%3A%2F%2Fs%"
                   "3A3478&ice-transport-policy=relay&display-name=a%20b&room-"
                   "secret=x",
                   &error),
      "%s", error ? error->message : "");
  g_object_get (src, "latency", &latency, "stun-server", &stun,
      "ice-transport-policy", &policy, "display-name", &name, "uri", &uri,
      NULL);
  fail_unless_equals_int (latency, 50);
  fail_unless_equals_int (policy, 1);
  fail_unless_equals_string (stun, "stun://s:3478");
  fail_unless_equals_string (name, "a b");
  /* The query may hold secrets. */
  fail_unless_equals_string (uri, "quicp2p://host/room");

  /* The property is as good. */
  g_object_set (src, "uri", "quicp2p://other/room?latency=60", NULL);
  g_clear_pointer (&uri, g_free);
  g_object_get (src, "latency", &latency, "uri", &uri, NULL);
  fail_unless_equals_int (latency, 60);
  fail_unless_equals_string (uri, "quicp2p://other/room");
  gst_object_unref (src);
}
GST_END_TEST

GST_START_TEST (test_uri_refused)
{
  static const struct {
    const char *uri;
    const char *because; /* part of the message; NULL: any */
  } bad[] = {
    { "http://host/room", NULL },
    { "quicp2p:", NULL },
    { "quicp2p://", NULL },
    { "quicp2p://host", NULL },
    { "quicp2p://host:0/room", NULL },
    { "quicp2p://host:99999/room", NULL },
    { "quicp2p://host/room?no-such=1", "no-such" },
    { "quicp2p://host/room?latency=many", "latency" },
    { "quicp2p://host/room?latency=99999999", "latency" },
    { "quicp2p://host/room?latency", NULL },
    { "quicp2p://host/room?ice-transport-policy=never", "relay" },
    /* A stranger's URI must not touch our files, ports or other sessions. */
    { "quicp2p://host/room?qlog-dir=/tmp", "qlog-dir" },
    { "quicp2p://host/room?key=/etc/passwd", "key" },
    { "quicp2p://host/room?certificate=/etc/passwd", "certificate" },
    { "quicp2p://host/room?ca-file=/etc/passwd", "ca-file" },
    { "quicp2p://host/room?session=x", "session" },
    { "quicp2p://host/room?name=x", "name" },
    { "quicp2p://host/room?uri=quicp2p://other/room", "uri" },
  };
  GstElement *src = gst_element_factory_make ("quicp2psrc", NULL);
  g_autofree char *uri = NULL;
  guint latency;

  g_object_set (src, "uri", "quicp2p://good/room", "latency", 33, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (GError) error = NULL;

    fail_if (gst_uri_handler_set_uri (GST_URI_HANDLER (src), bad[i].uri,
                 &error),
        "%s was taken", bad[i].uri);
    fail_unless (error != NULL);
    if (strncmp (bad[i].uri, "http", 4) != 0)
      fail_unless (g_error_matches (error, GST_URI_ERROR,
                       GST_URI_ERROR_BAD_URI),
          "%s: %s", bad[i].uri, error->message);
    if (bad[i].because)
      fail_unless (strstr (error->message, bad[i].because) != NULL, "%s: %s",
          bad[i].uri, error->message);
  }

  /* Half a URI is not taken either. */
  fail_if (gst_uri_handler_set_uri (GST_URI_HANDLER (src),
      "quicp2p://bad/room?latency=44&no-such=1", NULL));
  g_object_get (src, "uri", &uri, "latency", &latency, NULL);
  fail_unless_equals_string (uri, "quicp2p://good/room");
  fail_unless_equals_int (latency, 33);
  gst_object_unref (src);
}
GST_END_TEST

/* Starting without a URI, or with a bad one, says so. */
GST_START_TEST (test_uri_errors_at_start)
{
  static const struct {
    const char *uri;
    const char *because;
  } cases[] = {
    { NULL, "uri" },
    { "quicp2p://host/room?no-such=1", "no-such" },
    { "quicp2p://host:0/room", NULL },
    { "ftp://host/room", NULL },
  };
  static const char *const factories[] = { "quicp2psink", "quicp2psrc" };

  for (guint i = 0; i < G_N_ELEMENTS (cases) * 2; i++) {
    GstElement *element = gst_element_factory_make (factories[i % 2], NULL);
    g_autoptr (GstBus) bus = gst_bus_new ();
    g_autoptr (GstMessage) message = NULL;
    g_autoptr (GError) error = NULL;

    gst_element_set_bus (element, bus);
    g_object_set (element, "uri", cases[i / 2].uri, NULL);
    fail_unless_equals_int (gst_element_set_state (element, GST_STATE_PAUSED),
        GST_STATE_CHANGE_FAILURE);
    message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
    fail_unless (message != NULL);
    gst_message_parse_error (message, &error, NULL);
    fail_unless (g_error_matches (error, GST_RESOURCE_ERROR,
        GST_RESOURCE_ERROR_SETTINGS));
    if (cases[i / 2].because)
      fail_unless (strstr (error->message, cases[i / 2].because) != NULL, "%s",
          error->message);
    gst_element_set_state (element, GST_STATE_NULL);
    gst_element_set_bus (element, NULL);
    gst_object_unref (element);
  }
}
GST_END_TEST

/* --- Pads and queries ------------------------------------------------------ */

GST_START_TEST (test_pad_properties)
{
  GstElement *sink = gst_element_factory_make ("quicp2psink", NULL);
  GstPad *pad_0 = gst_element_request_pad_simple (sink, "sink_%u");
  GstPad *pad_7 = gst_element_request_pad_simple (sink, "sink_7");
  guint deadline;
  gint mapping;

  fail_unless_equals_string (GST_PAD_NAME (pad_0), "sink_0");
  fail_unless_equals_string (GST_PAD_NAME (pad_7), "sink_7");

  /* The element's, until the pad has its own. */
  g_object_set (sink, "frame-deadline", 111, NULL);
  gst_util_set_object_arg (G_OBJECT (sink), "mapping", "datagram");
  gst_child_proxy_set (GST_CHILD_PROXY (sink), "sink_7::frame-deadline", 222,
      NULL);
  g_object_get (pad_0, "frame-deadline", &deadline, "mapping", &mapping, NULL);
  fail_unless_equals_int (deadline, 111);
  fail_unless_equals_int (mapping, 2);
  g_object_get (pad_7, "frame-deadline", &deadline, "mapping", &mapping, NULL);
  fail_unless_equals_int (deadline, 222);
  fail_unless_equals_int (mapping, 2);

  fail_unless_equals_int (
      gst_child_proxy_get_children_count (GST_CHILD_PROXY (sink)), 2);
  gst_element_release_request_pad (sink, pad_0);
  gst_object_unref (pad_0);
  fail_unless_equals_int (
      gst_child_proxy_get_children_count (GST_CHILD_PROXY (sink)), 1);
  /* The other is released with the element. */
  gst_object_unref (pad_7);
  gst_object_unref (sink);
}
GST_END_TEST

GST_START_TEST (test_hundred_pads)
{
  GstElement *sink = gst_element_factory_make ("quicp2psink", NULL);
  gint children = GST_BIN (sink)->numchildren;

  for (guint i = 0; i < 100; i++) {
    GstPad *pad = gst_element_request_pad_simple (sink, "sink_%u");

    fail_unless (pad != NULL);
    gst_element_release_request_pad (sink, pad);
    ASSERT_OBJECT_REFCOUNT (pad, "released pad", 1);
    gst_object_unref (pad);
  }
  fail_unless_equals_int (GST_BIN (sink)->numchildren, children);
  fail_unless_equals_int (GST_ELEMENT (sink)->numpads, 0);
  gst_object_unref (sink);
}
GST_END_TEST

GST_START_TEST (test_source_latency)
{
  static const guint settings[] = { 200, 0, 75 };
  GstElement *src = gst_element_factory_make ("quicp2psrc", NULL);

  for (guint i = 0; i < G_N_ELEMENTS (settings); i++) {
    g_autoptr (GstQuery) query = gst_query_new_latency ();
    GstClockTime min, max;
    gboolean live;

    if (i)
      g_object_set (src, "latency", settings[i], NULL);
    fail_unless (gst_element_query (src, query));
    gst_query_parse_latency (query, &live, &min, &max);
    fail_unless (live);
    fail_unless_equals_uint64 (min, settings[i] * GST_MSECOND);
    fail_unless_equals_uint64 (max, GST_CLOCK_TIME_NONE);
  }
  gst_object_unref (src);
}
GST_END_TEST

GST_START_TEST (test_flags)
{
  GstElement *src = gst_element_factory_make ("quicp2psrc", NULL);
  GstElement *sink = gst_element_factory_make ("quicp2psink", NULL);
  GstPad *pad = gst_element_request_pad_simple (sink, "sink_%u");

  fail_unless (GST_OBJECT_FLAG_IS_SET (src, GST_ELEMENT_FLAG_SOURCE));
  fail_if (GST_OBJECT_FLAG_IS_SET (src, GST_ELEMENT_FLAG_SINK));
  fail_unless (GST_OBJECT_FLAG_IS_SET (sink, GST_ELEMENT_FLAG_SINK));
  fail_if (GST_OBJECT_FLAG_IS_SET (sink, GST_ELEMENT_FLAG_SOURCE));
  gst_object_unref (pad);
  gst_object_unref (sink);
  gst_object_unref (src);
}
GST_END_TEST

/* --- Documentation --------------------------------------------------------- */

/* Each pipeline of the element's SECTION is one that gst-launch-1.0 takes. */
static guint
check_examples (const char *file)
{
  g_autofree char *path = g_build_filename (g_getenv ("QUICP2P_SOURCE"), "gst",
      "elements", file, NULL);
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  guint n = 0;

  fail_unless (g_file_get_contents (path, &text, NULL, NULL), "%s", path);
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    const char *example = strstr (lines[i], " * gst-launch-1.0 ");
    g_autoptr (GError) error = NULL;
    g_autoptr (GstElement) pipeline = NULL;

    if (!example)
      continue;
    pipeline = gst_parse_launch_full (example + strlen (" * gst-launch-1.0 "),
        NULL, GST_PARSE_FLAG_FATAL_ERRORS, &error);
    n++;
    if (g_error_matches (error, GST_PARSE_ERROR,
            GST_PARSE_ERROR_NO_SUCH_ELEMENT)) {
      g_print ("not tested: %s\n", error->message);
      continue;
    }
    fail_unless (pipeline != NULL, "%s: %s", example,
        error ? error->message : "");
    gst_object_ref_sink (pipeline);
  }
  return n;
}

GST_START_TEST (test_examples)
{
  fail_unless (check_examples ("gstquicp2psink.c") >= 3);
  fail_unless (check_examples ("gstquicp2psrc.c") >= 2);
}
GST_END_TEST

static Suite *
properties_suite (void)
{
  Suite *suite = suite_create ("properties");
  TCase *tcase = tcase_create ("general");

  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_properties);
  tcase_add_test (tcase, test_round_trip);
  tcase_add_test (tcase, test_uri_types);
  tcase_add_test (tcase, test_uri_query);
  tcase_add_test (tcase, test_uri_refused);
  tcase_add_test (tcase, test_uri_errors_at_start);
  tcase_add_test (tcase, test_pad_properties);
  tcase_add_test (tcase, test_hundred_pads);
  tcase_add_test (tcase, test_source_latency);
  tcase_add_test (tcase, test_flags);
  tcase_add_test (tcase, test_examples);
  return suite;
}

GST_CHECK_MAIN (properties)
