/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Links what a test describes to each pad that an element adds, and takes it
 * away with the pad: an application that follows a source whose streams change,
 * which gst_parse_launch()'s delayed links do not. */
#pragma once

#include "tests/net/probe-tap.h"

typedef struct _ProbePlug ProbePlug;

/* `spec` is ELEMENT=DESCRIPTION; the description begins with what takes the
 * pad, named in, and ends with a sink named out. Each one made is a bin plug0, plug1…;
 * what enters its sink is counted, and stays so after it is gone. Prints "pad-added" and
 * "pad-removed". */
ProbePlug *probe_plug_new (GstBin *pipeline, const char *spec, GError **error);
/* Adds the counts of all of them, named plug0.sink, plug1.sink… */
void probe_plug_add_counts (ProbePlug *plug, JsonBuilder *builder);
/* Nothing may flow any more. */
void probe_plug_free (ProbePlug *plug);
