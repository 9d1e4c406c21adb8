/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which field belongs to which type of message and what it may hold: the table
 * that reading, writing and checking go by. Private to the codec; pure.
 */

#pragma once

#include "signaling/message.h"

G_BEGIN_DECLS

/* Sets of types. */
#define QP_BIT(type) (1u << QP_MESSAGE_##type)
#define QP_ICE_TYPES                                        \
  (QP_BIT (OFFER) | QP_BIT (ANSWER) | QP_BIT (PATH_OFFER) | \
      QP_BIT (PATH_ANSWER))
#define QP_PATH_TYPES (QP_ICE_TYPES | QP_BIT (CANDIDATE) | QP_BIT (PATH_GONE))
#define QP_RELAYED_TYPES (QP_PATH_TYPES | QP_BIT (MEDIA) | QP_BIT (BYE))

/* A field that is a string in JSON and a char * in QpMessage. */
typedef struct {
  const char *key;
  gsize offset;   /* of the char * in QpMessage */
  guint required; /* a set of types */
  guint optional; /* another */
  gboolean (*is_valid) (const char *s);
  const char *expected; /* for errors: "must be ..." */
} QpStringField;

extern const QpStringField qp_message_string_fields[];
extern const guint qp_message_n_string_fields;

/* Where @message keeps the value of @field. */
char **qp_message_string_at (const QpMessage *message,
    const QpStringField *field);

/* TRUE for a word of a-z, 0-9 and '-', as in "code". */
gboolean qp_message_is_code (const char *s);

/* FALSE if @string names no type. */
gboolean qp_message_type_from_string (const char *string, QpMessageType *type);

/* Sets @error to QP_SIGNALING_ERROR_BAD_MESSAGE; returns FALSE. */
gboolean qp_message_field_error (QpMessageType type, const char *key,
    const char *what, GError **error);

/* Each FALSE with @error, naming the field, if something is missing or wrong. */
gboolean qp_message_check_peer (QpMessageType type, const char *key,
    const QpPeerInfo *peer, GError **error);
gboolean qp_message_check_ice_server (QpMessageType type,
    const QpIceServer *server, GError **error);
gboolean qp_message_check_fields (const QpMessage *message, GError **error);

G_END_DECLS
