/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A network of one's own for a test process. */
#pragma once

#include <glib.h>

/* Moves the process into a network namespace whose only interface is loopback:
 * no port is taken, no address is in doubt, and nothing leaves the machine.
 * FALSE where the kernel does not let us. To be called before any thread is
 * there. */
gboolean own_namespace_enter (void);
