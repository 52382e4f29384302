"""Judge: Say blind what a text means, and see how much of an attack's success is left.

Icon: gavel
"""

from ui.judge import page

page.draw_page()
