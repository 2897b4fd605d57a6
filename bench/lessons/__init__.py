"""Lessons that grade themselves: a prediction, a run, and the truth read off what the run has just made.

A lab is a folder NN_slug of `labs/`, found by its place and never imported by name: what is learned stands above this.

NN_slug/lab.py       the text (py:percent), with solutions in cells that a learner's copy is written without
NN_slug/check.py     LESSON = Lesson(...): the shapes that a seed gives, what a run makes, the items; see item.py
NN_slug/wrong/*.py   an answer of somebody who holds a misconception; its first line is "# ITEM: MISCONCEPTION"
NN_slug/hardware.md  what changes on the device itself
"""
