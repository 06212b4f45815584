"""What the Python shops share: the command line, the manner of the visits and what a page must have shown."""
import os
import sys
import time

PAUSE = float(os.environ["PAUSE"])


def visit(pages, end_of_connection):
    """Shows the page that the command line names; `end_of_connection` is called where a connection lasts for one visit only."""
    page, visits, manner = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    for number in range(visits):
        if number > 0 and manner == "persistent":
            time.sleep(PAUSE)
        shown = pages[page]()
        if shown != (77, 154, 20):
            raise AssertionError(f"shown: {shown}")
        if manner == "session":
            end_of_connection()
    end_of_connection()
