/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The elements' GstURIHandler.  The path of a URI names the room; its query, if
 * any, sets properties of the element:
 *
 *   quicp2p://host:8443/door?latency=50&stun-server=stun.example.org:3478
 *
 * A URI may come from anywhere, so not every property may be set by it, and
 * either all of it is taken or nothing.  The query is not kept: it may hold
 * secrets. */
#include "elements/gstquicp2pcommon.h"

/* Long enough for any room and query; longer is an attack or an accident. */
#define MAX_URI_SIZE 4096

/* What a stranger may set: nothing that names files of ours, opens ports, or
 * joins the sessions of others. */
static const char *const parameters_allowed[] = {
  "congestion-control",
  "connect-timeout",
  "disconnect-timeout",
  "interfaces",
  "display-name",
  "frame-deadline",
  "ice-transport-policy",
  "latency",
  "mapping",
  "max-port",
  "min-port",
  "peer-fingerprint",
  "peer-name",
  "producer",
  "producer-timeout",
  "room-secret",
  "stun-server",
  "turn-server",
  NULL,
};

static GstURIType
get_type_src (GType type)
{
  return GST_URI_SRC;
}

static GstURIType
get_type_sink (GType type)
{
  return GST_URI_SINK;
}

static const char *const *
get_protocols (GType type)
{
  static const char *const protocols[] = { "quicp2p", "quicp2ps", NULL };

  return protocols;
}

static char *
get_uri (GstURIHandler *handler)
{
  char *uri = NULL;

  g_object_get (handler, "uri", &uri, NULL);
  return uri;
}

/* Reads "name=value" for @handler; TRUE if @value was filled. */
static gboolean
read_parameter (GstURIHandler *handler, const char *name, const char *text,
    GValue *value, GError **error)
{
  GParamSpec *pspec =
      g_object_class_find_property (G_OBJECT_GET_CLASS (handler), name);

  if (!pspec || !g_strv_contains (parameters_allowed, name)) {
    g_set_error (error, GST_URI_ERROR, GST_URI_ERROR_BAD_URI,
        "The URI's parameter \"%s\" is %s", name,
        pspec ? "not one that a URI may set" : "unknown");
    return FALSE;
  }
  g_value_init (value, pspec->value_type);
  if (G_VALUE_HOLDS_STRING (value))
    g_value_set_string (value, text);
  else if (!text || !gst_value_deserialize_with_pspec (value, text, pspec) ||
      g_param_value_validate (pspec, value)) {
    g_value_unset (value);
    /* The value is not shown: it may be a secret in the wrong place. */
    g_set_error (error, GST_URI_ERROR, GST_URI_ERROR_BAD_URI,
        "The value of the URI's parameter \"%s\" is not valid: %s", name,
        g_param_spec_get_blurb (pspec));
    return FALSE;
  }
  return TRUE;
}

typedef struct {
  const char *name; /* interned */
  GValue value;
} Parameter;

static void
parameter_clear (gpointer data)
{
  Parameter *parameter = data;

  if (G_IS_VALUE (&parameter->value))
    g_value_unset (&parameter->value);
}

/* (transfer full) array of Parameter, or NULL with an error. */
static GArray *
read_query (GstURIHandler *handler, const char *query, GError **error)
{
  g_autoptr (GArray) parameters = g_array_new (FALSE, TRUE, sizeof (Parameter));
  GUriParamsIter iter;
  char *name, *text;
  g_autoptr (GError) syntax = NULL;

  g_array_set_clear_func (parameters, parameter_clear);
  g_uri_params_iter_init (&iter, query, -1, "&", G_URI_PARAMS_NONE);
  while (g_uri_params_iter_next (&iter, &name, &text, &syntax)) {
    g_autofree char *owned_name = name;
    g_autofree char *owned_text = text;
    Parameter parameter = { NULL, G_VALUE_INIT };

    if (!read_parameter (handler, name, text, &parameter.value, error))
      return NULL;
    parameter.name = g_intern_string (name);
    g_array_append_val (parameters, parameter);
  }
  if (syntax) {
    g_set_error (error, GST_URI_ERROR, GST_URI_ERROR_BAD_URI,
        "The URI's query is not a list of name=value pairs: %s",
        syntax->message);
    return NULL;
  }
  return g_steal_pointer (&parameters);
}

static gboolean
set_uri (GstURIHandler *handler, const char *uri, GError **error)
{
  g_autoptr (GArray) parameters = NULL;
  g_autoptr (GError) reason = NULL;
  g_autofree char *room = NULL;
  const char *query = strchr (uri, '?');

  if (GST_STATE (handler) > GST_STATE_READY) {
    g_set_error (error, GST_URI_ERROR, GST_URI_ERROR_BAD_STATE,
        "The URI cannot be changed in state %s: set the element to READY first",
        gst_element_state_get_name (GST_STATE (handler)));
    return FALSE;
  }
  if (strlen (uri) > MAX_URI_SIZE) {
    g_set_error (error, GST_URI_ERROR, GST_URI_ERROR_BAD_URI,
        "The URI is longer than %d bytes", MAX_URI_SIZE);
    return FALSE;
  }
  room = query ? g_strndup (uri, query - uri) : g_strdup (uri);
  if (!qp_config_check_uri (room, &reason)) {
    g_set_error_literal (error, GST_URI_ERROR, GST_URI_ERROR_BAD_URI,
        reason->message);
    return FALSE;
  }
  if (query && !(parameters = read_query (handler, query + 1, error)))
    return FALSE;

  for (guint i = 0; parameters && i < parameters->len; i++) {
    Parameter *parameter = &g_array_index (parameters, Parameter, i);

    g_object_set_property (G_OBJECT (handler), parameter->name,
        &parameter->value);
  }
  g_object_set (handler, "uri", room, NULL);
  return TRUE;
}

static void
init_common (GstURIHandlerInterface *iface)
{
  iface->get_protocols = get_protocols;
  iface->get_uri = get_uri;
  iface->set_uri = set_uri;
}

void
gst_quicp2p_uri_handler_init_src (gpointer iface, gpointer data)
{
  init_common (iface);
  ((GstURIHandlerInterface *) iface)->get_type = get_type_src;
}

void
gst_quicp2p_uri_handler_init_sink (gpointer iface, gpointer data)
{
  init_common (iface);
  ((GstURIHandlerInterface *) iface)->get_type = get_type_sink;
}
