/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GStreamer's values as JSON, for tests that are not written in C. */
#pragma once

#include <gst/gst.h>
#include <json-glib/json-glib.h>

/* Adds `structure` as an object with its name under "name". */
void probe_json_add_structure (JsonBuilder *builder,
    const GstStructure *structure);
/* Numbers, strings, booleans, structures, lists and arrays as what they are,
 * enums by their nick, everything else as GStreamer serializes it. */
void probe_json_add_value (JsonBuilder *builder, const GValue *value);

/* Begins {"t": …, "type": `type`; `t` is CLOCK_MONOTONIC in seconds. */
JsonBuilder *probe_json_begin (const char *type);
void probe_json_add_string (JsonBuilder *builder, const char *name,
    const char *value);
/* Closes the object, prints it as one line and frees the builder. */
void probe_json_print (JsonBuilder *builder);
