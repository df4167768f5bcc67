"""The course as a website of static pages: `make site`.

build         the command: gathers the pages, calls Sphinx, checks the links of what came out
pages         which files of the repository are pages, and where their links lead
cells         a notebook as a page: what is folded, what stands where a kernel would be needed
operators     a page per operator and per exercise, from its contract
course_map    the front page: what leads to what
links         whether every link of the built site leads somewhere
conf          Sphinx's settings
"""
