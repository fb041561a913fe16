"""The verbs of the command line, a module for each: ``read`` its words, ``run`` what they say."""
