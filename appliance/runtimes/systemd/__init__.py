"""Services of the host's own systemd.

What an image holds below ``services/ROLE/`` goes to the hosts of that role (``services/all/`` to every host):

=================================  =====================================================================
in the image                       on a host
=================================  =====================================================================
``services/ROLE/X.service``        ``/etc/systemd/system/X.service``; also .socket .timer .target .mount .path
``services/ROLE/X.service.d/Y.conf``  ``/etc/systemd/system/X.service.d/Y.conf``
``services/ROLE/etc/…``            ``/etc/…``
any of them with ``.j2`` added     the same without ``.j2``, rendered for the host
=================================  =====================================================================

- The layer's mode holds; a file with a secret in it is 0600, or less. Owner is root.
- A file of a role goes before one of ``all`` at the same place; two roles of one host must agree.
- A unit with an ``[Install]`` section is enabled and started; others are there for units that want them. A ``oneshot``
  must ``RemainAfterExit``: else nobody can ask whether it has run.
- A unit is restarted when its file, a drop-in, or a file that these name (or that such a file names) was written, and
  when it names the programs' folder and programs were put in place. A file that no unit names counts for all units of
  its folder. What a unit was started with is marked on the host, so a crash between writing and restarting is seen.
- Roles go in ``bundle.yaml``'s ``order``, else by name, ``all`` first: configure, start, check, each on all hosts of
  the role before the next. Starting does not wait, so members that wait for each other come up together.
- Secrets come from ``bundle.yaml``: a leaf with ``roles`` is one certificate a host, kept as ``NAME@HOST``; templates
  say ``secret("NAME.key")`` and ``public("NAME.crt")`` and get their own host's.

`runtime` is the plug-in; `files` says what goes where, `units` what a unit needs. What templates may name, and what is
said to systemd, is in `appliance.runtimes.parts`.
"""
