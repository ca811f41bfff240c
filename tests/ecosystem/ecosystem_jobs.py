"""What the workers of rq run."""


def double(n):
    return n * 2


def fail():
    raise ValueError("on purpose")
