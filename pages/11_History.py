"""History: Everything that was run here and kept, to open again, compare, export or remove.

Icon: history
"""

from ui.history import page

page.draw_page()
