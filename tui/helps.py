"""What help says of each screen: prose, and lines of keys, which begin with two spaces."""

OPEN = """\
Bundles beside the program and on mounted sticks are listed; Enter takes one, or type a path. Verification reads all of
it: the signatures, the policy of this site, and every byte.

"Whom to believe" is a certificate or key that the vendor gave you by another way than this stick. Where your site keeps
roots in /etc/appliance/trust it can stay empty.

VERIFIED says that a key you believe signed exactly these bytes. What that does not prove stands below it: read it.

  Enter    take the bundle          Ctrl-R  verify again
  Tab      next field               Ctrl-N  go on
  c        clusters on this machine"""

HOSTS = """\
Type ranges (10.0.0.11-13), networks (10.0.1.0/24), single addresses or names, or the path of a file: a Clusterfile,
ours or sealer's, an Ansible inventory, or a table (.csv); then press Enter. What answers by SSH is listed with its host
keys: compare their fingerprints with what the hosts' consoles show (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub),
then believe all at once. Only believed hosts are entered. Nobody asks about keys that are as in the file.

  o, /     find hosts, filter         k  compare and believe host keys
  space    select, * all              a  say how hosts are entered
  r        next role                  t  enter them again, root included
  p        propose roles for all      l  labels        d  take off the list
  s        sort by the next column

What is changed counts for the selected hosts, or for the one with the cursor (>); "a" counts for the selected hosts,
or for all that have no way of their own. Passwords stay in memory. Who is behind a jump host is found when that is said
first (Tab, a); the jump host's key is compared before theirs."""

ONTO = """\
An application goes onto a cluster that is there. Those that were installed from this machine are listed; Enter takes
one. Of a cluster that was installed from elsewhere type the path of its Clusterfile: where it was applied, that is
clusters/NAME/cluster.yaml in the operator's folder.

Then its hosts are entered, as believed and in the way that the Clusterfile says, to see how they are.

  Tab    next thing                   k  compare and believe host keys
  a      say how hosts are entered    t  enter them again, root included
  Ctrl-N go on"""

SETTINGS = """\
The fields come from the delivery. A field that is left as it is has the delivery's default. Secrets are masked; they go
into this cluster's vault on this machine, never into the Clusterfile.

  Tab, Enter   next field         Ctrl-N   go on
  Shift-Tab    field before       Space    change a box"""

PREFLIGHT = """\
A line is a host, a column a check: ok, warn or FAIL; hosts and checks with failures come first. Below stands what was
found on the host with the cursor, why that matters and what to do about it.

  r  check the host with the cursor again       a  check all again
  Ctrl-N  go on, when nothing failed            arrows  look around"""

PLAN = """\
The tree shows stages in order; inside a stage hosts work in parallel. A stage by which something is lost says LOST.
Changes says the same host by host. Clusterfile is what the command line would need for the same: save it, and
`apply BUNDLE -f FILE` does what this does.

  v  next view          Enter, arrows  open, close and go through the tree
  s  save Clusterfile   g, Ctrl-N      carry it out (asks first)
  r  propose again"""

RUN = """\
The run is a process of its own. Leaving this screen, losing the terminal or a fault of the guide does not touch it:
start the guide again and it offers to watch it; `attach` does so on the command line.

  p  pause, go on                  l  the log of the host with the cursor
  x  stop: asks how, and says      e  the report, once it is over
     what that means               h  save the report as a page
  r  retry the failed host         g  once it failed: propose the rest
  Escape, c  leave; the run goes on"""

CLUSTER = """\
Hosts, applications that were added (app), and pods that are not well, as they say themselves. Below are all runs of the
cluster; Enter shows one, with its report.

To change is to go the steps again, with the bundle: what is as it should be stays, so that this repairs, changes
settings, adds hosts and upgrades. With the cursor on an application it is the application that is changed. What takes
something away shows its plan first, and asks for the cluster's name.

  e  change or repair it             u  look again
  d  take the application away       a  how hosts are entered
  z  reset: take everything off      n  next cluster
  Escape  back"""

EVERYWHERE = """\
Everywhere

  Tab, Shift-Tab  next thing, thing before      Escape  back
  Ctrl-N          next step                     ?, F1   this help
  Ctrl-P          palette: all commands         Ctrl-Q  leave; a run goes on"""
