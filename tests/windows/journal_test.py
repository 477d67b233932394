#!/usr/bin/env python3
"""Runs that were cut off and go on, and the folder for their journals."""

import os
import subprocess

import wine_program
from wine_program import EVIL, GOOD, on_windows, program

# A slow file may be slow on any machine.
SLOW = ("--timeout", "150")


class Journal(wine_program.Case):
    """Journals that nobody named go to a folder of the test's own."""

    def setUp(self):
        super().setUp()
        self.state = self.path("state")
        os.mkdir(self.state)
        self.env["TEST_LOCALAPPDATA"] = on_windows(self.state)

    def tree(self, files):
        for i in range(files):
            self.write(f"tree/d{i // 500}/f{i:05}.pkl",
                       EVIL if i % 100 == 7 else GOOD)

    def start(self, *args, **options):
        """By the driver, which gives the folder to the program."""
        return self.drive("run", wine_program.scanengine, *args, **options)

    def journals(self):
        folder = os.path.join(self.state, "scanengine")
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []

    def start_slow(self, *args):
        """A run that does not come to its end for a while."""
        os.makedirs(self.path("slow"), exist_ok=True)
        program.slow_file(self.path("slow/0.zip"))
        return self.start("scan", "--workers", "1", *SLOW, *args, "tree",
                          "slow")

    def cut_off(self, *args, ready=lambda: True):
        """Ends a run within a slow file, or before, and when it is |ready|."""
        run = self.start_slow(*args)
        self.busy_worker(run)
        program.wait_until(ready, "the right moment")
        run.tell("kill")
        self.assertEqual(run.wait().code, 42)
        self.wait_for_no_workers()

    def finish_slow(self):
        """What was slow is so no more: a resumed run scans it anew."""
        self.write("slow/0.zip", GOOD)

    def verify(self, journal, code=0):
        return self.scan("verify", "--json", journal, code=code).json

    def test_a_run_that_was_cut_off_is_resumed_without_a_name(self):
        self.tree(1100)
        self.cut_off(ready=self.journals)
        [journal] = self.journals()
        said = self.verify(os.path.join(self.state, "scanengine", journal),
                           code=2)
        self.assertEqual(said["verdict"], "incomplete")
        self.finish_slow()
        resumed = self.scan("--canonical", "--resume", *SLOW, "tree", "slow",
                            code=1)
        self.assertIn(f"has {said['found']['files']} outcomes", resumed.err)
        self.assertEqual(self.journals(), [])
        self.assertEqual(resumed.out,
                         self.scan("--canonical", "tree", "slow", code=1).out)

    def test_a_named_journal_after_the_end_of_the_supervisor(self):
        self.tree(100)
        for isolation in ("process", "per-file"):
            journal = f"j-{isolation}"
            self.cut_off("--journal", journal, "--isolation", isolation)
            self.verify(journal, code=2)
            self.finish_slow()
            resumed = self.scan("--canonical", "--journal", journal, "--resume",
                                "--isolation", isolation, *SLOW, "tree", "slow",
                                code=1)
            calm = self.scan("--canonical", "--no-journal", "tree", "slow",
                             code=1)
            self.assertEqual(resumed.out, calm.out)
            self.assertEqual(self.verify(journal)["verdict"], "complete")

    def test_a_complete_run_is_checked_and_not_repeated(self):
        self.tree(20)
        journal = ("--journal", "j", "--format", "json", "tree")
        self.scan(*journal, code=1)
        said = self.verify("j")
        self.assertEqual((said["verdict"], said["listed"]), ("complete", 20))
        again = self.scan("--resume", *journal, code=1)
        self.assertEqual(again.json["run"]["resumed"], 20)
        self.assertEqual(again.json["run"]["workers_started"], 0)

    def test_outcomes_of_files_that_changed_are_scanned_anew(self):
        self.tree(30)
        self.scan("--journal", "j", "tree", code=1)
        os.unlink(self.path("tree/d0/f00003.pkl"))
        self.write("tree/d0/f00004.pkl", EVIL)
        ended = self.scan("--journal", "j", "--resume", "--format", "json",
                          "tree", code=1)
        files = ended.files()
        self.assertEqual(len(files), 30)
        self.assertEqual(files["tree/d0/f00003.pkl"]["status"], "scanned")
        self.assertFalse(files["tree/d0/f00004.pkl"]["run"]["resumed"])
        self.assertTrue(files["tree/d0/f00004.pkl"]["findings"])
        self.assertTrue(files["tree/d0/f00005.pkl"]["run"]["resumed"])

    def test_ctrl_break_tells_how_to_go_on(self):
        self.tree(50)
        run = self.start_slow("--journal", "j")
        self.busy_worker(run)
        run.tell("break")
        program.wait_until(lambda: "stop" in run.messages(), "the notice")
        run.tell("break")
        ended = run.wait()
        self.assertEqual(ended.code, 130, ended)
        self.assertIn("--resume goes on from here", ended.err)
        self.verify("j", code=2)
        self.finish_slow()
        self.scan("--journal", "j", "--resume", *SLOW, "tree", "slow", code=1)
        self.verify("j")

    def test_a_second_user_is_refused(self):
        self.tree(5)
        run = self.start_slow("--journal", "j")
        self.busy_worker(run)
        ended = self.scan("--journal", "j", "--resume", *SLOW, "tree", "slow",
                          code=4)
        self.assertIn("another scan is using it", ended.err)
        run.tell("kill")
        run.wait()

    def test_damage_is_told(self):
        self.tree(100)
        self.scan("--journal", "j", "tree", code=1)
        data = bytearray(self.read("j"))
        data[len(data) // 2] ^= 1
        self.write("j", bytes(data))
        said = self.verify("j", code=4)
        self.assertEqual(said["tail"]["state"], "damaged")

    def test_without_a_place_the_run_goes_on(self):
        self.tree(1100)
        os.rmdir(self.state)
        self.write("state", b"a file")
        ended = self.scan("tree", code=1)
        self.assertIn("going on without a journal", ended.err)

    def test_the_state_folder_is_below_local_application_data(self):
        text = self.scan("doctor").text
        self.assertIn("Z:" + self.state + "/scanengine", text)
        # As the system sets it.
        ended = self.start_in_wine(wine_program.scanengine, "doctor",
                                   stdin=subprocess.DEVNULL).wait()
        self.assertRegex(ended.text,
                         "state-folder +C:/users/[^/]+/AppData/Local/scanengine")


if __name__ == "__main__":
    wine_program.main()
