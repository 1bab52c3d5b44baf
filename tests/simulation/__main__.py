"""``python -m tests.simulation --seeds 0:1000``"""

import sys

from tests.simulation.simulate import main

sys.exit(main())
