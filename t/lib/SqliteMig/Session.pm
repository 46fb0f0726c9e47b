# SqliteMig/Session.pm: one psql session that stays open, for tests that look at what
# a backend keeps, or that do something else while it works.
#
#   my $session = SqliteMig::Session->new($node, $db);
#   my ($out, $err) = $session->query('SELECT 1');	# errors do not end the session
#   $session->start('SELECT pg_sleep(10)');			# returns at once
#   ($out, $err) = $session->result;				# waits for it
#   $session->close;

package SqliteMig::Session;

use strict;
use warnings;

use IPC::Run ();

# More arguments: the user to connect as.
sub new
{
	my ($class, $node, $db, $user) = @_;
	my $self = bless { in => '', out => '', err => '', n => 0 }, $class;

	$self->{psql} = IPC::Run::start(
		[ 'psql', '-X', '-q', '-A', '-t', '-d', $node->connstr($db), ($user ? ('-U', $user) : ()) ],
		'<', \$self->{in}, '>', \$self->{out}, '2>', \$self->{err},
		$self->{timer} = IPC::Run::timer(180));
	($self->{pid}) = $self->query("\\set VERBOSITY verbose\nSELECT pg_backend_pid();");
	return $self;
}

# The backend's process id.
sub pid
{
	my ($self) = @_;

	return $self->{pid};
}

# Sends SQL, without waiting.
sub start
{
	my ($self, $sql) = @_;
	my $end = 'end of ' . ++$self->{n};

	$self->{out} = $self->{err} = '';
	$self->{in} .= "$sql\n\\echo $end\n\\warn $end\n";
	$self->{psql}->pump_nb;
	return;
}

# Whether what was started has ended.
sub ended
{
	my ($self) = @_;
	my $end = "end of $self->{n}";

	eval { $self->{psql}->pump_nb } or return 1;
	return $self->{out} =~ /^\Q$end\E\n/m && $self->{err} =~ /^\Q$end\E\n/m;
}

# Waits for what was started; returns its output and its errors.  When the session
# ends meanwhile, what psql said of that is among the errors.
sub result
{
	my ($self) = @_;
	my $end = "end of $self->{n}";

	eval {
		$self->{psql}->pump
		  until $self->{out} =~ /^\Q$end\E\n/m && $self->{err} =~ /^\Q$end\E\n/m;
		1;
	} or do {
		die $@ if $self->{timer}->is_expired;
		eval { $self->{psql}->finish };
		$self->{gone} = 1;
	};
	s/^\Q$end\E\n//m foreach $self->{out}, $self->{err};
	s/^psql:<stdin>:\d+: //mg foreach $self->{err};
	chomp(my ($out, $err) = ($self->{out}, $self->{err}));
	return wantarray ? ($out, $err) : $out;
}

# Both.
sub query
{
	my ($self, $sql) = @_;

	$self->start($sql);
	return $self->result;
}

sub close
{
	my ($self) = @_;

	return if $self->{gone};
	$self->{in} .= "\\q\n";
	eval { $self->{psql}->finish };
	$self->{gone} = 1;
	return;
}

1;
