#!/usr/bin/env python3
"""The test of tidy.py: a planted tree with known faults, each found, nothing else."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

TIDY = pathlib.Path(__file__).with_name("tidy.py")
LATER = "TO" + "DO"


def guarded(path, body=""):
    guard = "GG_" + "".join(c if c.isalnum() else "_" for c in path.upper())
    return f"#ifndef {guard}\n#define {guard}\n{body}#endif\n"


def function(lines, above=""):
    body = "    x++;\n" * lines
    return f"{above}static void f(int x,\n              int y)\n{{\n{body}}}\n"


class Tidy(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        self.plant("client/include/ganger/client.h",
                   "#ifndef GANGER_CLIENT_H\n#define GANGER_CLIENT_H\n#endif\n")
        self.plant("worker/include/ganger/worker.h",
                   "#ifndef GANGER_WORKER_H\n#define GANGER_WORKER_H\n#endif\n")

    def tearDown(self):
        self.folder.cleanup()

    def plant(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def faults(self):
        run = subprocess.run([sys.executable, TIDY, self.root], text=True,
                             capture_output=True, check=False)
        *faults, last = run.stdout.splitlines()
        self.assertEqual(run.stderr, "")
        self.assertTrue(last.endswith(f" {len(faults)} faults"), last)
        self.assertEqual(run.returncode, 1 if faults else 0)
        return faults

    def finds(self, path, text, line, why):
        self.plant(path, text)
        faults = self.faults()
        self.assertEqual(len(faults), 1, faults)
        self.assertTrue(faults[0].startswith(f"{path}:{line}: "), faults[0])
        self.assertIn(why, faults[0])

    def accepts(self, path, text):
        self.plant(path, text)
        self.assertEqual(self.faults(), [])

    def test_clean_tree_has_no_faults(self):
        self.assertEqual(self.faults(), [])

    # Who may include whom.

    def test_common_includes_nothing_of_ours(self):
        self.finds("common/a.c", '#include "broker/core/job.h"\n', 1,
                   "common may not include broker/core")

    def test_core_does_not_include_io(self):
        self.finds("broker/core/a.c", '\n#include "broker/io/shell.h"\n', 2,
                   "broker/core may not include broker/io")

    def test_store_does_not_include_core(self):
        self.finds("broker/store/a.c", '#include "broker/core/job.h"\n', 1,
                   "broker/store may not include broker/core")

    def test_broker_does_not_include_worker(self):
        self.finds("broker/main.c", '#include "worker/agent.h"\n', 1,
                   "broker may not include worker")

    def test_broker_does_not_include_the_client(self):
        self.finds("broker/io/a.c", "#include <ganger/client.h>\n", 1,
                   "broker/io may not include client/include")

    def test_client_does_not_include_worker_header(self):
        self.finds("client/src/a.c", "#include <ganger/worker.h>\n", 1,
                   "client/src may not include worker/include")

    def test_cli_does_not_include_the_inside_of_the_library(self):
        self.finds("client/cli/a.c", '#include "client/src/session.h"\n', 1,
                   "client/cli may not include client/src")

    def test_examples_see_only_the_public_header(self):
        self.finds("worker/examples/a.c", '#include "common/err.h"\n', 1,
                   "worker/examples may not include common")

    def test_public_header_includes_no_private_one(self):
        self.finds("client/include/ganger/more.h",
                   '#ifndef GANGER_MORE_H\n#define GANGER_MORE_H\n'
                   '#include "common/err.h"\n#endif\n', 3, "public header includes only")

    def test_include_is_written_from_the_root(self):
        self.finds("common/a.c", '#include "err.h"\n', 1, "from the root")

    def test_include_does_not_climb(self):
        self.finds("broker/core/a.c", '#include "../../common/err.h"\n', 1, "from the root")

    def test_unknown_public_header_is_found(self):
        self.finds("client/cli/a.c", "#include <ganger/none.h>\n", 1, "no public header")

    def test_allowed_includes_pass(self):
        self.plant("broker/io/a.c", '#include "common/err.h"\n#include "broker/core/a.h"\n'
                   '#include "broker/store/a.h"\n#include "broker/io/b.h"\n#include <zmq.h>\n')
        self.plant("worker/lib/a.c", '#include <ganger/worker.h>\n#include "common/err.h"\n')
        self.plant("worker/main.c", '#include "worker/sup/sup.h"\n#include "worker/io.h"\n')
        self.plant("client/cli/a.c", '#include <ganger/client.h>\n#include "common/err.h"\n')
        self.accepts("tests/unit/a.c", '#include "broker/core/a.h"\n#include <msgpack.h>\n'
                     '#include "client/src/session.h"\n#include "worker/agent.h"\n')

    def test_foreign_library_has_its_home(self):
        self.finds("broker/io/a.c", "#include <msgpack.h>\n", 1, "may only be used under")

    def test_client_is_free_of_czmq(self):
        self.finds("client/src/a.c", "#include <czmq.h>\n", 1, "may only be used under")

    # Calls.

    def test_banned_call_is_found(self):
        self.finds("common/a.c", "void f(void)\n{\n    strcpy (a, b);\n}\n", 3,
                   "strcpy() is banned")

    def test_banned_words_in_strings_comments_and_names_pass(self):
        self.accepts("common/a.c", '/* strcpy(a, b)\n   gets(c) */\nchar *s = "atoi(x) // no";\n'
                     "int my_system(int x);\nchar c = '\"'; /* system(1) */\n")

    def test_core_reads_no_clock(self):
        self.finds("broker/core/a.c", "int f(void)\n{\n    return time(NULL);\n}\n", 3,
                   "reads no clock")

    def test_core_does_not_log(self):
        self.finds("broker/core/a.c", '#include "common/log.h"\n', 1, "does no I/O")

    def test_supervisor_and_agent_are_pure(self):
        self.finds("worker/agent.c", "void f(void)\n{\n    fork();\n}\n", 3, "does no I/O")

    def test_only_the_clock_file_reads_the_clock(self):
        self.plant("common/clock.c", "    clock_gettime(CLOCK_MONOTONIC, &ts);\n")
        self.plant("tests/unit/a.c", "    clock_gettime(CLOCK_MONOTONIC, &ts);\n")
        self.finds("broker/io/a.c", "    clock_gettime(CLOCK_MONOTONIC, &ts);\n", 1,
                   "only be called in common/clock.c")

    # Sizes and form.

    def test_long_line_is_found(self):
        self.accepts("common/a.c", "/* " + "x" * 82 + " */\n")
        self.finds("common/a.c", "/* " + "x" * 83 + " */\n", 1, "longer than 88")

    def test_table_may_be_wider_but_not_without_end(self):
        off, on = "/* clang-format off */\n", "/* clang-format on */\n"
        self.accepts("common/a.c", off + "x" * 140 + "\n" + on)
        self.finds("common/a.c", off + "x" * 141 + "\n" + on, 2, "longer than 140")

    def test_table_ends_where_it_says(self):
        self.finds("common/a.c", "/* clang-format off */\n/* clang-format on */\n"
                   + "x" * 89 + "\n", 3, "longer than 88")

    def test_long_function_is_found(self):
        self.accepts("common/a.c", function(70))
        self.finds("common/a.c", function(71), 3, "longer than 70 lines")

    def test_long_function_with_its_reason_passes(self):
        self.accepts("common/a.c", function(71, "/* Long: a flat table of commands. */\n"))

    def test_other_comment_is_no_reason_for_a_long_function(self):
        self.finds("common/a.c", function(71, "/* Long. */\n"), 4, "longer than 70 lines")

    def test_long_file_is_found(self):
        self.accepts("common/a.c", "\n" * 800)
        self.finds("common/a.c", "\n" * 801, 1, "look for the second idea")

    def test_line_comment_is_found(self):
        self.finds("common/a.c", 'char *s = "http://x";\nint x; // count\n', 2, "comments")

    def test_unfinished_work_is_found_in_c(self):
        self.finds("common/a.c", f"/* {LATER}: later */\n", 1, "do it now")

    def test_unfinished_work_is_found_in_scripts(self):
        self.finds("deploy/a.sh", f"# {LATER}\n", 1, "do it now")

    def test_wrong_guard_is_found(self):
        self.accepts("common/a.h", guarded("common/a.h"))
        self.finds("common/a.h", guarded("common/b.h"), 1, "GG_COMMON_A_H")

    def test_build_trees_are_not_checked(self):
        self.accepts("build/dev/a.c", "// made by a tool\n")


if __name__ == "__main__":
    unittest.main()
