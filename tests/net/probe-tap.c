/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A pad probe that counts and records.  The probe runs on the pad's streaming
 * thread, counts are read from any: `lock` guards them.  The first buffer is
 * printed at once, because when it came is what many tests are about. */

#include "tests/net/probe-tap.h"
#include "tests/net/probe-json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct _ProbeTap {
  char *name; /* ELEMENT.PAD */
  ProbeTapKind kind;
  FILE *file;
  GstPad *pad;
  gulong probe;

  GMutex lock; /* guards what follows */
  guint64 buffers;
  guint64 bytes;
  guint64 discontinuities;
};

static void
write_number (FILE *file, guint64 value, guint bytes)
{
  guint8 out[8];

  for (guint i = 0; i < bytes; i++)
    out[i] = (guint8) (value >> (8 * i));
  fwrite (out, bytes, 1, file);
}

static void
record_data (ProbeTap *tap, GstBuffer *buffer)
{
  GstMapInfo map;

  if (!gst_buffer_map (buffer, &map, GST_MAP_READ))
    return;
  write_number (tap->file, GST_BUFFER_PTS (buffer), 8);
  write_number (tap->file, map.size, 4);
  fwrite (map.data, map.size, 1, tap->file);
  gst_buffer_unmap (buffer, &map);
}

/* One write a packet: several threads may share the file. */
static void
record_rtp (FILE *file, GstBuffer *buffer, gint64 now)
{
  guint8 header[12], record[22];

  if (gst_buffer_extract (buffer, 0, header, sizeof header) != sizeof header)
    return;
  GST_WRITE_UINT64_LE (record, (guint64) now);
  GST_WRITE_UINT16_LE (record + 8, GST_READ_UINT16_BE (header + 2));
  GST_WRITE_UINT32_LE (record + 10, GST_READ_UINT32_BE (header + 4));
  GST_WRITE_UINT32_LE (record + 14, GST_READ_UINT32_BE (header + 8));
  GST_WRITE_UINT32_LE (record + 18, (guint32) gst_buffer_get_size (buffer));
  fwrite (record, sizeof record, 1, file);
}

static void
count_buffer (ProbeTap *tap, GstBuffer *buffer, gint64 now)
{
  gboolean first;

  g_mutex_lock (&tap->lock);
  first = tap->buffers++ == 0;
  tap->bytes += gst_buffer_get_size (buffer);
  if (GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DISCONT))
    tap->discontinuities++;
  g_mutex_unlock (&tap->lock);

  if (first) {
    JsonBuilder *builder = probe_json_begin ("first-buffer");

    probe_json_add_string (builder, "pad", tap->name);
    probe_json_print (builder);
  }
  if (tap->kind == PROBE_TAP_DATA)
    record_data (tap, buffer);
  else if (tap->kind == PROBE_TAP_RTP)
    record_rtp (tap->file, buffer, now);
}

static GstPadProbeReturn
on_data (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  ProbeTap *tap = user;
  gint64 now = g_get_monotonic_time ();

  if (info->type & GST_PAD_PROBE_TYPE_BUFFER_LIST) {
    GstBufferList *list = GST_PAD_PROBE_INFO_BUFFER_LIST (info);

    for (guint i = 0; i < gst_buffer_list_length (list); i++)
      count_buffer (tap, gst_buffer_list_get (list, i), now);
  } else {
    count_buffer (tap, GST_PAD_PROBE_INFO_BUFFER (info), now);
  }
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
on_arrival (GstPad *pad, GstPadProbeInfo *info, gpointer file)
{
  gint64 now = g_get_monotonic_time ();

  if (info->type & GST_PAD_PROBE_TYPE_BUFFER_LIST) {
    GstBufferList *list = GST_PAD_PROBE_INFO_BUFFER_LIST (info);

    for (guint i = 0; i < gst_buffer_list_length (list); i++)
      record_rtp (file, gst_buffer_list_get (list, i), now);
  } else {
    record_rtp (file, GST_PAD_PROBE_INFO_BUFFER (info), now);
  }
  return GST_PAD_PROBE_OK;
}

void
probe_tap_record_arrivals (GstPad *pad, FILE *file)
{
  gst_pad_add_probe (pad,
      GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST, on_arrival,
      file, NULL);
}

static GstPad *
find_pad (GstBin *pipeline, const char *name, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (name, ".", 2);
  g_autoptr (GstElement) element = NULL;
  GstPad *pad = NULL;

  if (g_strv_length (parts) == 2)
    element = gst_bin_get_by_name (pipeline, parts[0]);
  if (element)
    pad = gst_element_get_static_pad (element, parts[1]);
  if (!pad)
    g_set_error (error, GST_CORE_ERROR, GST_CORE_ERROR_PAD,
        "no pad '%s' in the pipeline (ELEMENT.PAD is wanted)", name);
  return pad;
}

static ProbeTap *
tap_attach (GstPad *pad, const char *name, ProbeTapKind kind, FILE *file)
{
  ProbeTap *tap = g_new0 (ProbeTap, 1);

  tap->name = g_strdup (name);
  tap->kind = kind;
  tap->file = file;
  tap->pad = gst_object_ref (pad);
  g_mutex_init (&tap->lock);
  tap->probe = gst_pad_add_probe (tap->pad,
      GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST, on_data, tap,
      NULL);
  return tap;
}

ProbeTap *
probe_tap_new (GstBin *pipeline, const char *spec, ProbeTapKind kind,
    GError **error)
{
  g_auto (GStrv) parts = g_strsplit (spec, "=", 2);
  g_autoptr (GstPad) pad = find_pad (pipeline, parts[0], error);
  FILE *file = NULL;

  if (!pad)
    return NULL;
  if (kind != PROBE_TAP_COUNT) {
    file = parts[1] ? fopen (parts[1], "wb") : NULL;
    if (!file) {
      g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_WRITE,
          "cannot write '%s': %s", parts[1] ? parts[1] : "",
          parts[1] ? g_strerror (errno) : "no =FILE given");
      return NULL;
    }
    /* A test reads the packets' record while it grows. */
    if (kind == PROBE_TAP_RTP)
      setvbuf (file, NULL, _IONBF, 0);
  }

  return tap_attach (pad, parts[0], kind, file);
}

ProbeTap *
probe_tap_new_for_pad (GstPad *pad, const char *name)
{
  return tap_attach (pad, name, PROBE_TAP_COUNT, NULL);
}

void
probe_tap_add_counts (ProbeTap *tap, JsonBuilder *builder)
{
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (tap->pad);
  g_autofree char *text = caps ? gst_caps_to_string (caps) : NULL;

  json_builder_set_member_name (builder, tap->name);
  json_builder_begin_object (builder);
  g_mutex_lock (&tap->lock);
  json_builder_set_member_name (builder, "buffers");
  json_builder_add_int_value (builder, (gint64) tap->buffers);
  json_builder_set_member_name (builder, "bytes");
  json_builder_add_int_value (builder, (gint64) tap->bytes);
  json_builder_set_member_name (builder, "discontinuities");
  json_builder_add_int_value (builder, (gint64) tap->discontinuities);
  g_mutex_unlock (&tap->lock);
  probe_json_add_string (builder, "caps", text);
  json_builder_end_object (builder);
}

void
probe_tap_free (ProbeTap *tap)
{
  gst_pad_remove_probe (tap->pad, tap->probe);
  gst_object_unref (tap->pad);
  if (tap->file)
    fclose (tap->file);
  g_mutex_clear (&tap->lock);
  g_free (tap->name);
  g_free (tap);
}
