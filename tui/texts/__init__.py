"""Every text of the guide, a module a room, and nothing else: another language is such a folder, and `tui.helps`.

``{words}`` in braces are filled in by `tui.wording`, `tui.telling` and `tui.standing`. What is counted has a text for
each form that `plural_form` names.
"""

from tui.texts.cluster import *  # noqa: F403  (names are unique, and said without their room)
from tui.texts.common import *  # noqa: F403  (names are unique, and said without their room)
from tui.texts.hosts import *  # noqa: F403  (names are unique, and said without their room)
from tui.texts.opening import *  # noqa: F403  (names are unique, and said without their room)
from tui.texts.plan import *  # noqa: F403  (names are unique, and said without their room)
from tui.texts.run import *  # noqa: F403  (names are unique, and said without their room)
from tui.texts.settings import *  # noqa: F403  (names are unique, and said without their room)
