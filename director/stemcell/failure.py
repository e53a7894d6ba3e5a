"""Why a stemcell was not built, in words for the one who wanted it."""


class Impossible(Exception):
    """It cannot be built here, or not like this. Nothing is left behind."""
