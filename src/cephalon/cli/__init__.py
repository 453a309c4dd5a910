"""The command line: parses, then calls. Results go to stdout (or to files), everything else to stderr.

Exit codes: 0 done; 1 a fault of Cephalon; 2 wrong use or unreadable input; 3 no head found.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from cephalon.cli.parser import build_parser
from cephalon.cli.say import log_to_stderr, say
from cephalon.core import CephalonError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help(sys.stderr)
        return 2
    log_to_stderr()
    try:
        return options.run(options) or 0
    except CephalonError as error:
        say(f"cephalon: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        say("cephalon: stopped")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # the system refused something: no fault of ours
        named = f"{error.filename}: " if error.filename else ""
        say(f"cephalon: {named}{error.strerror or error}; choose another place")
        return 2
    except MemoryError:
        say("cephalon: not enough memory; use smaller photos, fewer photos or a smaller texture")
        return 2
    except Exception as error:
        if os.environ.get("CEPHALON_DEBUG"):
            raise
        say(
            f"cephalon: a fault of ours ({type(error).__name__}: {error}); set CEPHALON_DEBUG=1 to see where, and please report it"
        )
        return 1
