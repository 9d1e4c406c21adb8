/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Answers what is there to see and hear with, by letting GStreamer's automatic
 * elements open it. */
#include "devices.h"

#include <gst/video/video.h>

static gboolean
has_device (const char *device_class)
{
  g_autoptr (GstDeviceMonitor) monitor = gst_device_monitor_new ();
  GList *devices;
  gboolean found;

  gst_device_monitor_add_filter (monitor, device_class, NULL);
  devices = gst_device_monitor_get_devices (monitor);
  found = devices != NULL;
  g_list_free_full (devices, gst_object_unref);
  return found;
}

/* Whether it is worth while to try: without sound ALSA writes a page of
 * complaints, and without a display what draws on the bare screen takes seconds
 * or does worse. */
static gboolean
is_promising (const char *automatic)
{
  if (g_str_equal (automatic, "autovideosink"))
    return g_getenv ("DISPLAY") || g_getenv ("WAYLAND_DISPLAY");
  return has_device (g_str_equal (automatic, "autoaudiosink") ? "Audio/Sink"
                                                              : "Audio/Source");
}

char *
device_choose (const char *automatic)
{
  g_autoptr (GstElement) element = NULL;
  const char *name = NULL;

  if (!is_promising (automatic))
    return NULL;
  element = gst_element_factory_make (automatic, NULL);
  if (!element)
    return NULL;
  gst_object_ref_sink (element);
  gst_element_set_state (element, GST_STATE_READY);
  GST_OBJECT_LOCK (element);
  if (GST_BIN_CHILDREN (element)) {
    GstElement *chosen = GST_BIN_CHILDREN (element)->data;

    name = GST_OBJECT_NAME (gst_element_get_factory (chosen));
  }
  GST_OBJECT_UNLOCK (element);
  gst_element_set_state (element, GST_STATE_NULL);
  /* What they fall back to; a test tone is no microphone either. */
  if (!name || g_str_equal (name, "fakesink") ||
      g_str_equal (name, "audiotestsrc"))
    return NULL;
  return g_strdup (name);
}

char *
device_choose_sink (const char *automatic)
{
  char *name = device_choose (automatic);

  return name ? name : g_strdup (DEVICE_NOTHING);
}

gboolean
device_write_picture (GstElement *sink, const char *path, GError **error)
{
  g_autoptr (GstSample) sample = NULL, png = NULL;
  g_autoptr (GstCaps) caps = gst_caps_new_empty_simple ("image/png");
  GstMapInfo map;
  gboolean written;

  if (sink)
    g_object_get (sink, "last-sample", &sample, NULL);
  if (!sample) {
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
        "%s: there is no picture to write", path);
    return FALSE;
  }
  png = gst_video_convert_sample (sample, caps, 5 * GST_SECOND, error);
  if (!png)
    return FALSE;
  gst_buffer_map (gst_sample_get_buffer (png), &map, GST_MAP_READ);
  written = g_file_set_contents (path, (const char *) map.data, map.size,
      error);
  gst_buffer_unmap (gst_sample_get_buffer (png), &map);
  return written;
}
