"""What tasks print, in files."""

from director.adapters.tasklog.files import FileTaskLog

__all__ = ["FileTaskLog"]
