/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The JSON that pipe-probe prints.  One line is printed by one call, so lines of
 * different threads do not mix. */

#include "tests/net/probe-json.h"

#include <stdio.h>

static gboolean
add_field (GQuark field, const GValue *value, gpointer user)
{
  JsonBuilder *builder = user;

  json_builder_set_member_name (builder, g_quark_to_string (field));
  probe_json_add_value (builder, value);
  return TRUE;
}

void
probe_json_add_structure (JsonBuilder *builder, const GstStructure *structure)
{
  json_builder_begin_object (builder);
  probe_json_add_string (builder, "name", gst_structure_get_name (structure));
  gst_structure_foreach (structure, add_field, builder);
  json_builder_end_object (builder);
}

static void
add_elements (JsonBuilder *builder, const GValue *value, guint size,
    const GValue *(*get) (const GValue *, guint))
{
  json_builder_begin_array (builder);
  for (guint i = 0; i < size; i++)
    probe_json_add_value (builder, get (value, i));
  json_builder_end_array (builder);
}

static void
add_converted (JsonBuilder *builder, const GValue *value)
{
  GValue wide = G_VALUE_INIT;

  if (G_VALUE_HOLDS_BOOLEAN (value)) {
    json_builder_add_boolean_value (builder, g_value_get_boolean (value));
    return;
  }
  if (G_VALUE_HOLDS_FLOAT (value) || G_VALUE_HOLDS_DOUBLE (value)) {
    g_value_init (&wide, G_TYPE_DOUBLE);
    g_value_transform (value, &wide);
    json_builder_add_double_value (builder, g_value_get_double (&wide));
    return;
  }
  g_value_init (&wide, G_TYPE_INT64);
  g_value_transform (value, &wide);
  json_builder_add_int_value (builder, g_value_get_int64 (&wide));
}

static gboolean
is_number (const GValue *value)
{
  static const GType types[] = { G_TYPE_BOOLEAN, G_TYPE_INT, G_TYPE_UINT,
    G_TYPE_INT64, G_TYPE_UINT64, G_TYPE_LONG, G_TYPE_ULONG, G_TYPE_FLOAT,
    G_TYPE_DOUBLE };

  for (guint i = 0; i < G_N_ELEMENTS (types); i++) {
    if (G_VALUE_TYPE (value) == types[i])
      return TRUE;
  }
  return FALSE;
}

void
probe_json_add_value (JsonBuilder *builder, const GValue *value)
{
  if (is_number (value)) {
    add_converted (builder, value);
  } else if (G_VALUE_HOLDS_STRING (value)) {
    const char *text = g_value_get_string (value);

    if (text)
      json_builder_add_string_value (builder, text);
    else
      json_builder_add_null_value (builder);
  } else if (GST_VALUE_HOLDS_STRUCTURE (value)) {
    const GstStructure *structure = gst_value_get_structure (value);

    if (structure)
      probe_json_add_structure (builder, structure);
    else
      json_builder_add_null_value (builder);
  } else if (GST_VALUE_HOLDS_ARRAY (value)) {
    add_elements (builder, value, gst_value_array_get_size (value),
        gst_value_array_get_value);
  } else if (GST_VALUE_HOLDS_LIST (value)) {
    add_elements (builder, value, gst_value_list_get_size (value),
        gst_value_list_get_value);
  } else if (G_VALUE_HOLDS_ENUM (value)) {
    g_autoptr (GEnumClass) class = g_type_class_ref (G_VALUE_TYPE (value));
    GEnumValue *entry = g_enum_get_value (class, g_value_get_enum (value));

    json_builder_add_string_value (builder, entry ? entry->value_nick : "?");
  } else {
    g_autofree char *text = gst_value_serialize (value);

    if (!text)
      text = g_strdup_value_contents (value);
    json_builder_add_string_value (builder, text);
  }
}

JsonBuilder *
probe_json_begin (const char *type)
{
  JsonBuilder *builder = json_builder_new ();

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "t");
  json_builder_add_double_value (builder, g_get_monotonic_time () / 1e6);
  probe_json_add_string (builder, "type", type);
  return builder;
}

void
probe_json_add_string (JsonBuilder *builder, const char *name,
    const char *value)
{
  json_builder_set_member_name (builder, name);
  if (value)
    json_builder_add_string_value (builder, value);
  else
    json_builder_add_null_value (builder);
}

void
probe_json_print (JsonBuilder *builder)
{
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *text = NULL;

  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  text = json_to_string (root, FALSE);
  printf ("%s\n", text);
  fflush (stdout);
  g_object_unref (builder);
}
