"""``python -m grasp_psonet``."""

from grasp_psonet.cli import entry

if __name__ == "__main__":  # child processes import this module again
    entry()
