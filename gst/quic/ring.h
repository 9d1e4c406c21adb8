/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A queue in one growing array: no allocation per item, items addressed from
 * the oldest.  Pure; the owner decides on which thread. */
#pragma once

#include <glib.h>
#include <string.h>

G_BEGIN_DECLS

typedef struct {
  guint8 *items;
  guint item_size; /* bytes */
  guint capacity;  /* a power of two, or 0 before the first push */
  guint head;      /* where the oldest item is */
  guint length;
} QpRing;

static inline void
qp_ring_init (QpRing *ring, guint item_size)
{
  *ring = (QpRing){ .item_size = item_size };
}

static inline void
qp_ring_clear (QpRing *ring)
{
  g_free (ring->items);
  qp_ring_init (ring, ring->item_size);
}

/* The item `index` places after the oldest; valid until the next push. */
static inline gpointer
qp_ring_peek (const QpRing *ring, guint index)
{
  g_assert (index < ring->length);
  return ring->items +
      (gsize) ((ring->head + index) & (ring->capacity - 1)) * ring->item_size;
}

static inline void
qp_ring_make_room (QpRing *ring)
{
  guint capacity = MAX (8, ring->capacity * 2);
  guint8 *items;
  guint i;

  if (ring->length < ring->capacity)
    return;
  items = g_malloc_n (capacity, ring->item_size);
  for (i = 0; i < ring->length; i++)
    memcpy (items + (gsize) i * ring->item_size, qp_ring_peek (ring, i),
        ring->item_size);
  g_free (ring->items);
  ring->items = items;
  ring->capacity = capacity;
  ring->head = 0;
}

/* Appends an item and returns it uninitialized, valid until the next push. */
static inline gpointer
qp_ring_push (QpRing *ring)
{
  qp_ring_make_room (ring);
  ring->length++;
  return qp_ring_peek (ring, ring->length - 1);
}

/* As push, but the item becomes the oldest. */
static inline gpointer
qp_ring_push_front (QpRing *ring)
{
  qp_ring_make_room (ring);
  ring->head = (ring->head - 1) & (ring->capacity - 1);
  ring->length++;
  return qp_ring_peek (ring, 0);
}

static inline void
qp_ring_pop (QpRing *ring)
{
  g_assert (ring->length > 0);
  ring->head = (ring->head + 1) & (ring->capacity - 1);
  ring->length--;
}

G_END_DECLS
