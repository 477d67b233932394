#!/usr/bin/env python3
"""Names of files and folders as people write them on Windows."""

import wine_program
from wine_program import EVIL, GOOD, on_windows


class Paths(wine_program.Case):
    def test_every_spelling(self):
        path = self.write("sub/evil.pkl", EVIL)
        for spelled, shown in [
                ("sub\\evil.pkl", "sub/evil.pkl"),
                ("sub", "sub/evil.pkl"),
                (".\\sub", "./sub/evil.pkl"),
                (on_windows(path), "Z:" + path),
                ("\\\\?\\" + on_windows(path), "Z:" + path),
                (path, path)]:
            report = self.scan("--canonical", spelled, code=1)
            self.assertEqual(report.statuses(), {shown: "scanned"}, spelled)

    def test_a_share_that_is_not_there(self):
        report = self.scan("--canonical", "\\\\no-such-server\\share\\a.pkl",
                           code=2)
        self.assertEqual(report.statuses(),
                         {"//no-such-server/share/a.pkl": "unreadable"})

    def test_other_scripts(self):
        names = ["modèle.pkl", "模型.pkl", "🤖.pkl"]
        for name in names:
            self.write(name, EVIL)
        report = self.scan("--canonical", *names, code=1)
        self.assertEqual(report.statuses(), {n: "scanned" for n in names})
        self.assertEqual(self.scan("--canonical", ".").statuses(),
                         {"./" + n: "scanned" for n in names})
        text = self.scan("模型.pkl", code=1).out.decode("utf-8")
        self.assertIn("模型.pkl", text)

    def test_long_paths(self):
        path = "/".join(["d" * 50] * 20) + "/evil.pkl"
        self.write(path, EVIL)
        for root in (".", path.replace("/", "\\")):
            report = self.scan("--canonical", root, code=1)
            self.assertEqual([status for _, status in
                              report.statuses().items()], ["scanned"], root)

    def test_globs_ignore_case(self):
        self.write("a/Model.PKL", EVIL)
        self.write("b/other.bin", EVIL)
        report = self.scan("--canonical", "--include", "*.pkl", ".", code=1)
        self.assertEqual(report.statuses(), {"./a/Model.PKL": "scanned"})
        report = self.scan("--canonical", "--exclude", "A\\*.pkl", ".", code=1)
        self.assertEqual(report.statuses(), {"./b/other.bin": "scanned"})

    def test_devices_are_never_opened(self):
        report = self.scan("--canonical", "NUL", "CON", "COM1")
        self.assertEqual(report.statuses(), {"NUL": "skipped", "CON": "skipped",
                                             "COM1": "skipped"})

    def test_files_with_the_names_of_devices_are_files(self):
        self.write("in/NUL", EVIL)
        self.write("in/con.pkl", GOOD)
        report = self.scan("--canonical", "in", code=1)
        self.assertEqual(report.statuses(), {"in/NUL": "scanned",
                                             "in/con.pkl": "scanned"})

    def test_a_locked_file_is_an_outcome(self):
        self.write("locked.pkl", EVIL)
        self.write("free.pkl", GOOD)
        ended = self.drive("lock", "locked.pkl", wine_program.scanengine,
                           "--canonical", "locked.pkl", "free.pkl").wait()
        self.assertEqual(ended.code, 2, ended)
        self.assertEqual(ended.statuses(), {"locked.pkl": "unreadable",
                                            "free.pkl": "scanned"})
        self.assertIn("is locked by another program", ended.text)


if __name__ == "__main__":
    wine_program.main()
