/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See interface-memory.h. */
#include "session/interface-memory.h"

#define FIRST_RETRY_US (G_USEC_PER_SEC / 2)
#define RETRY_DOUBLINGS 4
#define FIRST_TRIAL_US (2 * G_USEC_PER_SEC)
#define TRIAL_DOUBLINGS 4
#define FORGIVEN_US (60 * G_USEC_PER_SEC)

typedef struct {
  guint addresses; /* of the last attempt */
  guint attempts;  /* since a path came up, 0: the next may be at once */
  gint64 tried_us;
  guint losses;
  gint64 lost_us;
} Record;

struct _QpInterfaceMemory {
  GHashTable *records; /* char* → Record* */
};

QpInterfaceMemory *
qp_interface_memory_new (void)
{
  QpInterfaceMemory *memory = g_new0 (QpInterfaceMemory, 1);

  memory->records = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
      g_free);
  return memory;
}

void
qp_interface_memory_free (QpInterfaceMemory *memory)
{
  g_hash_table_unref (memory->records);
  g_free (memory);
}

static Record *
get_record (QpInterfaceMemory *memory, const char *name)
{
  Record *record = g_hash_table_lookup (memory->records, name);

  if (!record) {
    record = g_new0 (Record, 1);
    g_hash_table_insert (memory->records, g_strdup (name), record);
  }
  return record;
}

static gint64
get_retry (const Record *record)
{
  return (gint64) FIRST_RETRY_US << MIN (record->attempts - 1, RETRY_DOUBLINGS);
}

gboolean
qp_interface_memory_may_try (QpInterfaceMemory *memory, const char *name,
    guint addresses, gint64 now_us)
{
  const Record *record = g_hash_table_lookup (memory->records, name);

  return !record || record->attempts == 0 || record->addresses != addresses ||
      now_us - record->tried_us >= get_retry (record);
}

void
qp_interface_memory_tried (QpInterfaceMemory *memory, const char *name,
    guint addresses, gint64 now_us)
{
  Record *record = get_record (memory, name);

  if (record->addresses != addresses)
    record->attempts = 0;
  record->addresses = addresses;
  record->attempts++;
  record->tried_us = now_us;
}

void
qp_interface_memory_worked (QpInterfaceMemory *memory, const char *name)
{
  get_record (memory, name)->attempts = 0;
}

void
qp_interface_memory_lost (QpInterfaceMemory *memory, const char *name,
    gint64 now_us)
{
  Record *record = get_record (memory, name);

  if (now_us - record->lost_us >= FORGIVEN_US)
    record->losses = 0;
  record->losses++;
  record->lost_us = now_us;
}

gint64
qp_interface_memory_get_trial (QpInterfaceMemory *memory, const char *name,
    gint64 now_us)
{
  const Record *record = g_hash_table_lookup (memory->records, name);

  if (!record || record->losses == 0 || now_us - record->lost_us >= FORGIVEN_US)
    return 0;
  return (gint64) FIRST_TRIAL_US << MIN (record->losses - 1, TRIAL_DOUBLINGS);
}

static gboolean
is_old (gpointer key, gpointer value, gpointer user)
{
  const Record *record = value;
  gint64 now_us = *(const gint64 *) user;

  return now_us - MAX (record->tried_us, record->lost_us) >= FORGIVEN_US;
}

void
qp_interface_memory_forget (QpInterfaceMemory *memory, gint64 now_us)
{
  g_hash_table_foreach_remove (memory->records, is_old, &now_us);
}
