/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stands in for libFuzzer's main() where there is none: runs the fuzz target
 * once over each file of the directories named on the command line, and over
 * each truncation of those that are short.  One thread; relies on the target
 * to abort on what it finds wrong. */
#include <glib.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

/* Every prefix of a file up to this size is an input of its own. */
#define MAX_TRUNCATED 512

/* The target gets a copy of exactly that size, so that a sanitizer sees reads
 * past its end. */
static void
run_one (const char *data, gsize size)
{
  g_autofree guint8 *copy = g_memdup2 (data, size);
  static const guint8 nothing[1];

  LLVMFuzzerTestOneInput (size > 0 ? copy : nothing, size);
}

static guint
run_file (const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *data = NULL;
  gsize size, length;
  guint runs = 0;

  if (!g_file_get_contents (path, &data, &size, &error))
    g_error ("%s", error->message);
  if (size <= MAX_TRUNCATED)
    for (length = 0; length < size; length++, runs++)
      run_one (data, length);
  run_one (data, size);
  return runs + 1;
}

static guint
run_directory (const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) dir = g_dir_open (path, 0, &error);
  const char *name;
  guint runs = 0;

  if (!dir)
    g_error ("%s", error->message);
  while ((name = g_dir_read_name (dir))) {
    g_autofree char *file = g_build_filename (path, name, NULL);

    if (g_file_test (file, G_FILE_TEST_IS_REGULAR))
      runs += run_file (file);
  }
  return runs;
}

int
main (int argc, char **argv)
{
  guint runs = 0;
  int i;

  for (i = 1; i < argc; i++)
    runs += run_directory (argv[i]);
  g_print ("%u inputs\n", runs);
  /* An empty corpus would test nothing and must not look like a success. */
  return runs > 0 ? 0 : 1;
}
