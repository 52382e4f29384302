"""Lessons: Guess first, then let the program try it: guided lessons of a few minutes each.

Icon: school
Sidebar: models, attacks, explanation, thresholds, seed
"""

from ui.lessons import page

page.draw_page()
