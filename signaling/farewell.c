/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* See farewell.h. */

#include "signaling/farewell.h"

#define FAREWELL_MS 500

struct _QpFarewell {
  SoupSession *session;
  SoupWebsocketConnection *websocket;
  QpOutbox *outbox;
  GSource *timer;
  GSourceFunc done; /* nullable */
  gpointer user_data;
  QpFarewell **slot; /* nullable */
};

static void
finish (QpFarewell *farewell)
{
  GSourceFunc done = farewell->done;
  gpointer user_data = farewell->user_data;

  if (farewell->slot)
    *farewell->slot = NULL;
  g_signal_handlers_disconnect_by_data (farewell->websocket, farewell);
  g_source_destroy (farewell->timer);
  g_source_unref (farewell->timer);
  qp_outbox_free (farewell->outbox);
  g_object_unref (farewell->websocket);
  g_object_unref (farewell->session);
  g_free (farewell);
  if (done)
    done (user_data);
}

static gboolean
on_timeout (gpointer user_data)
{
  QpFarewell *farewell = user_data;

  qp_outbox_abort (farewell->outbox);
  finish (farewell);
  return G_SOURCE_REMOVE;
}

static void
on_closed (SoupWebsocketConnection *websocket, QpFarewell *farewell)
{
  finish (farewell);
}

void
qp_farewell_start (GMainContext *context, SoupSession *session,
    SoupWebsocketConnection *websocket, QpOutbox *outbox, GSourceFunc done,
    gpointer user_data, QpFarewell **slot)
{
  QpFarewell *farewell = g_new0 (QpFarewell, 1);

  farewell->session = g_object_ref (session);
  farewell->websocket = websocket;
  farewell->outbox = outbox;
  farewell->done = done;
  farewell->user_data = user_data;
  farewell->slot = slot;
  if (slot)
    *slot = farewell;
  g_signal_connect (websocket, "closed", G_CALLBACK (on_closed), farewell);
  farewell->timer = g_timeout_source_new (FAREWELL_MS);
  g_source_set_callback (farewell->timer, on_timeout, farewell, NULL);
  g_source_attach (farewell->timer, context);
  qp_outbox_close (outbox, SOUP_WEBSOCKET_CLOSE_NORMAL, NULL);
}

void
qp_farewell_forget (QpFarewell *farewell)
{
  if (farewell->slot)
    *farewell->slot = NULL;
  farewell->slot = NULL;
  farewell->done = NULL;
}
