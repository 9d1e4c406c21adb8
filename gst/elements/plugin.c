/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plugin's entry point: registers the two elements. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "elements/gstquicp2psink.h"
#include "elements/gstquicp2psrc.h"

static gboolean
plugin_init (GstPlugin *plugin)
{
  gboolean ok = GST_ELEMENT_REGISTER (quicp2psink, plugin);

  return GST_ELEMENT_REGISTER (quicp2psrc, plugin) && ok;
}

GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, quicp2p,
    "RTP over QUIC between peers behind NATs", plugin_init, VERSION, "LGPL",
    PACKAGE_NAME, PACKAGE_ORIGIN)
