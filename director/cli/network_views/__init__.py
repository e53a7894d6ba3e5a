"""Networks for people: as a tree of lines, as boxes, as a picture, as tables. Pure."""
