"""Public names of `bench.cli`; `__init__.py` loads each on first use. Commands of extensions use all but `main`."""

from ._commands import Commands as Commands
from ._options import AsJson as AsJson
from ._options_of import options_of as options_of
from ._print import print_json as print_json
from ._print import print_line as print_line
from ._print import print_rows as print_rows
from ._print import print_table as print_table
from ._print import print_text as print_text
from ._print import remark as remark
from .app import main as main
