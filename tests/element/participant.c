/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See participant.h.  The source's signals come on the transport thread and on
 * streaming threads; the test's own thread waits for what they note. */
#include "participant.h"

#define SERVER "quicp2psink run-signaling-server=true uri=%s"

static void
note (Participant *self, char *event)
{
  g_mutex_lock (&self->lock);
  g_ptr_array_add (self->events, event);
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
}

gboolean
participant_saw (Participant *self, const char *event)
{
  for (guint i = 0; i < self->events->len; i++) {
    if (g_str_equal (g_ptr_array_index (self->events, i), event))
      return TRUE;
  }
  return FALSE;
}

static GstPadProbeReturn
count_buffer (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  Participant *self = user;
  guint n;

  g_mutex_lock (&self->lock);
  n = GPOINTER_TO_UINT (g_hash_table_lookup (self->counts, pad));
  g_hash_table_insert (self->counts, pad, GUINT_TO_POINTER (n + 1));
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
  return GST_PAD_PROBE_OK;
}

static void
check_stream_start (GstPad *pad, const char *peer_id)
{
  g_autoptr (GstEvent)
      event = gst_pad_get_sticky_event (pad, GST_EVENT_STREAM_START, 0);
  g_autoptr (GstEvent) tag = gst_pad_get_sticky_event (pad, GST_EVENT_TAG, 0);
  g_autofree char *title = NULL;
  g_autofree char *name = NULL;
  GstTagList *tags;
  const char *stream_id;
  guint group = 0;

  fail_unless (event != NULL);
  gst_event_parse_stream_start (event, &stream_id);
  fail_unless (strstr (stream_id, peer_id) != NULL, "%s", stream_id);
  fail_unless (gst_event_parse_group_id (event, &group) && group != 0);

  g_object_get (pad, "peer-name", &name, NULL);
  fail_unless (tag != NULL);
  gst_event_parse_tag (tag, &tags);
  fail_unless (gst_tag_list_get_string (tags, GST_TAG_TITLE, &title));
  fail_unless_equals_string (title, name);
}

/* A branch for each pad, as an application makes it. */
static void
on_pad_added (GstElement *src, GstPad *pad, gpointer user)
{
  Participant *self = user;
  GstElement *sink = gst_element_factory_make ("fakesink", NULL);
  g_autoptr (GstPad) sinkpad = gst_element_get_static_pad (sink, "sink");
  g_autofree char *id = NULL;
  g_autofree char *name = NULL;
  g_autofree char *kind = NULL;

  g_object_get (pad, "peer-id", &id, "peer-name", &name, "kind", &kind, NULL);
  fail_unless (id && strlen (id) == 32, "peer-id is %s", id);
  check_stream_start (pad, id);

  g_object_set (sink, "sync", FALSE, "async", FALSE, NULL);
  g_object_set_data (G_OBJECT (pad), "sink", sink);
  gst_pad_add_probe (sinkpad,
      GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST, count_buffer,
      self, NULL);
  gst_bin_add (GST_BIN (self->pipe->pipeline), sink);
  gst_element_sync_state_with_parent (sink);
  fail_unless_equals_int (gst_pad_link (pad, sinkpad), GST_PAD_LINK_OK);

  g_mutex_lock (&self->lock);
  self->pads++;
  self->added++;
  g_mutex_unlock (&self->lock);
  note (self, g_strdup_printf ("pad %s %s", name, kind));
}

static void
on_pad_removed (GstElement *src, GstPad *pad, gpointer user)
{
  Participant *self = user;
  GstElement *sink = g_object_steal_data (G_OBJECT (pad), "sink");
  g_autoptr (GstPad) sinkpad = NULL;
  g_autofree char *name = NULL;
  g_autofree char *kind = NULL;

  if (!sink)
    return;
  g_object_get (pad, "peer-name", &name, "kind", &kind, NULL);
  sinkpad = gst_element_get_static_pad (sink, "sink");
  note (self,
      g_strdup_printf ("pad %s %s gone%s", name, kind,
          GST_PAD_IS_EOS (sinkpad) ? " after EOS" : ""));
  gst_element_set_state (sink, GST_STATE_NULL);
  gst_bin_remove (GST_BIN (self->pipe->pipeline), sink);
  g_mutex_lock (&self->lock);
  self->pads--;
  self->removed++;
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
}

static void
on_joined (GstElement *src, const char *id, const char *name, gpointer user)
{
  Participant *self = user;

  g_mutex_lock (&self->lock);
  self->joined++;
  g_mutex_unlock (&self->lock);
  note (self, g_strdup_printf ("joined %s", name));
}

static void
on_left (GstElement *src, const char *id, const char *name, const char *reason,
    gpointer user)
{
  Participant *self = user;

  fail_unless (reason != NULL && *reason);
  g_mutex_lock (&self->lock);
  self->left++;
  g_mutex_unlock (&self->lock);
  note (self, g_strdup_printf ("left %s", name));
}

static gboolean
on_accept (GstElement *src, const char *id, const char *name,
    const char *fingerprint, gpointer user)
{
  Participant *self = user;
  gboolean accepted = !self->refuses || g_strcmp0 (name, self->refuses) != 0;

  fail_unless (id && strlen (id) == 32);
  fail_if (fingerprint && !g_str_has_prefix (fingerprint, "sha-256 "));
  /* Who calls us first is asked about once, and by its fingerprint. */
  note (self,
      g_strdup_printf ("%s %s", accepted ? "accepted" : "refused", name));
  if (fingerprint)
    note (self, g_strdup_printf ("fingerprint of %s", name));
  return accepted;
}

Participant *
participant_new (const char *name, const char *media, const char *producer,
    const char *uri)
{
  Participant *self = g_new0 (Participant, 1);
  g_autofree char *sink = media
      ? g_strdup_printf (" quicp2psink name=sink session=%s display-name=%s "
                         "uri=%s",
            name, name, uri)
      : g_strdup ("");

  g_mutex_init (&self->lock);
  g_cond_init (&self->changed);
  self->events = g_ptr_array_new_with_free_func (g_free);
  self->counts = g_hash_table_new (NULL, NULL);
  self->pipe = pipe_new ("quicp2psrc name=src session=%s display-name=%s "
                         "latency=50 %s%s uri=%s %s%s",
      name, name, producer ? "producer=" : "", producer ? producer : "", uri,
      media ? media : "", sink);
  self->src = pipe_get (self->pipe, "src");
  g_signal_connect (self->src, "pad-added", G_CALLBACK (on_pad_added), self);
  g_signal_connect (self->src, "pad-removed", G_CALLBACK (on_pad_removed),
      self);
  g_signal_connect (self->src, "peer-joined", G_CALLBACK (on_joined), self);
  g_signal_connect (self->src, "peer-left", G_CALLBACK (on_left), self);
  g_signal_connect (self->src, "accept-peer", G_CALLBACK (on_accept), self);
  return self;
}

void
participant_free (Participant *self)
{
  gst_object_unref (self->src);
  pipe_free (self->pipe);
  g_ptr_array_unref (self->events);
  g_hash_table_unref (self->counts);
  g_cond_clear (&self->changed);
  g_mutex_clear (&self->lock);
  g_free (self);
}
Participant *
participant_start (Participant *self)
{
  pipe_set_state (self->pipe, GST_STATE_PLAYING);
  return self;
}

void
participant_wait_for_pads (Participant *self, guint n)
{
  gint64 until = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;
  GHashTableIter iter;
  gpointer sinkpad, count;

  g_mutex_lock (&self->lock);
  g_hash_table_remove_all (self->counts);
  for (;;) {
    guint flowing = 0;

    g_hash_table_iter_init (&iter, self->counts);
    while (g_hash_table_iter_next (&iter, &sinkpad, &count))
      flowing += GPOINTER_TO_UINT (count) >= n;
    if (flowing >= self->pads)
      break;
    fail_unless (g_cond_wait_until (&self->changed, &self->lock, until),
        "%s: only %u of %u pads give buffers", GST_OBJECT_NAME (self->src),
        flowing, self->pads);
  }
  g_mutex_unlock (&self->lock);
}

guint
participant_count_peers (Pipe *pipe, const char *name)
{
  g_autoptr (GstStructure) stats = pipe_get_stats (pipe, name);
  guint count = 0;

  fail_unless (gst_structure_get_uint (stats, "peer-count", &count));
  return count;
}

Pipe *
participant_start_server (const char *uri)
{
  Pipe *server = pipe_new (SERVER, uri);

  pipe_set_state (server, GST_STATE_PLAYING);
  return server;
}

Pipe *
participant_new_camera (const char *name, const char *media, const char *uri)
{
  return pipe_new ("%s quicp2psink name=sink session=%s display-name=%s uri=%s",
      media, name, name, uri);
}

Participant *
participant_new_watcher (const char *name, const char *producer,
    const char *uri)
{
  return participant_new (name, NULL, producer, uri);
}
