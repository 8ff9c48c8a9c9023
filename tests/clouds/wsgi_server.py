"""Serves a WSGI application of OpenStack's on a socket that the process was started with, until it is ended.

    python wsgi_server.py keystone.wsgi.api DESCRIPTOR
    python wsgi_server.py heat_cfn DESCRIPTOR CONFIGURATION
"""

import importlib
import socket
import sys

import waitress

module, descriptor, *rest = sys.argv[1:]
# the applications read the arguments for themselves
sys.argv[1:] = [word for path in rest for word in ("--config-file", path)]
application = importlib.import_module(module).application
waitress.create_server(application, sockets=[socket.socket(fileno=int(descriptor))], threads=4).run()
