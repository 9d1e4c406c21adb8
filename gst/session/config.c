/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Life of a QpConfig and its defaults; see config.h. */
#include "session/config.h"

QpConfig *
qp_config_new (void)
{
  QpConfig *config = g_new0 (QpConfig, 1);

  config->congestion_control = QP_CC_BBR;
  config->producer_timeout_ms = 10000;
  return config;
}

QpConfig *
qp_config_copy (const QpConfig *config)
{
  QpConfig *copy = g_memdup2 (config, sizeof *config);

  copy->uri = g_strdup (config->uri);
  copy->display_name = g_strdup (config->display_name);
  copy->room_secret = g_strdup (config->room_secret);
  copy->stun_server = g_strdup (config->stun_server);
  copy->turn_server = g_strdup (config->turn_server);
  copy->certificate_file = g_strdup (config->certificate_file);
  copy->key_file = g_strdup (config->key_file);
  copy->ca_file = g_strdup (config->ca_file);
  copy->peer_name = g_strdup (config->peer_name);
  copy->peer_fingerprint = g_strdup (config->peer_fingerprint);
  copy->producer = g_strdup (config->producer);
  copy->qlog_dir = g_strdup (config->qlog_dir);
  copy->interfaces = g_strdup (config->interfaces);
  return copy;
}

void
qp_config_free (QpConfig *config)
{
  if (!config)
    return;

  g_free (config->uri);
  g_free (config->display_name);
  g_free (config->room_secret);
  g_free (config->stun_server);
  g_free (config->turn_server);
  g_free (config->certificate_file);
  g_free (config->key_file);
  g_free (config->ca_file);
  g_free (config->peer_name);
  g_free (config->peer_fingerprint);
  g_free (config->producer);
  g_free (config->qlog_dir);
  g_free (config->interfaces);
  g_free (config);
}
