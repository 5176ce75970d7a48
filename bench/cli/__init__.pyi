"""Public names of `bench.cli`; `__init__.py` loads each on first use. Commands of extensions use all but `main`."""

from ._commands import Commands as Commands
from ._options import DEFAULT_RUNS as DEFAULT_RUNS
from ._options import DEMO_BACKBONE as DEMO_BACKBONE
from ._options import AsJson as AsJson
from ._options import Cache as Cache
from ._options import DataRoot as DataRoot
from ._options import Device as Device
from ._options import Force as Force
from ._options import Jobs as Jobs
from ._options import WrittenRuns as WrittenRuns
from ._options import joined as joined
from ._options_of import options_of as options_of
from ._print import print_facts as print_facts
from ._print import print_json as print_json
from ._print import print_line as print_line
from ._print import print_rows as print_rows
from ._print import remark as remark
from ._request_options import request_option as request_option
from .app import main as main
