#!/usr/bin/env python3
"""Drives a training: reads its losses, turns its rates, publishes, goes back, stops.

    python3 src/trainer/drive.py lines.zip --model driven

The words are those of `flaneur train`; FLANEUR names the program if it is not in the PATH.
"""

import json
import os
import subprocess
import sys


class Training:
    """A training as a child: commands go in, events come out, one JSON object a line."""

    def __init__(self, words):
        program = [os.environ.get("FLANEUR", "flaneur"), "train", *words]
        pipe = subprocess.PIPE
        self.child = subprocess.Popen(
            [*program, "--report", "json", "--commands"], stdin=pipe, stdout=pipe, text=True
        )

    def say(self, command, **fields):
        line = json.dumps({"v": 1, "command": command, **fields})
        print(line, file=self.child.stdin, flush=True)

    def until(self, *names):
        """The next event of one of these names."""
        for line in self.child.stdout:
            event = json.loads(line)
            if event["event"] in names:
                return event
            if event["event"] in ("warning", "stopped"):
                print(event["event"] + ":", event["text"])
        sys.exit("the training ended too early")

    def learn(self, epochs):
        for _ in range(epochs):
            step = self.until("step")
            print("step {step}: critic {total:.1f}, generator {generator:.1f}, {ms:.0f} ms".format(**step))

    def publish(self):
        self.say("publish")
        event = self.until("published")
        print("published step {step} as {fingerprint}".format(**event))


training = Training(sys.argv[1:])
first = training.until("published")  # the state that it began with
training.learn(5)
training.say("set", generator_rate=4e-4, critic_rate=4e-4, rest=0.2)
print("settings:", training.until("state")["settings"])
training.learn(5)
training.publish()
training.say("rewind", step=first["step"])
training.learn(5)
training.say("stop")
end = training.until("stopped")
print("stopped: {reason} at step {step}".format(**end))
sys.exit(training.child.wait())
