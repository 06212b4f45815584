#!/usr/bin/perl
# DBD::Pg: placeholders with and without named statements, COPY, asynchronous queries, large objects, savepoints, cancel.
use strict;
use warnings;
use utf8;
use DBI;
use DBD::Pg qw(:pg_types :async);
use POSIX ();
use Time::HiRes ();

my $rounds = 5;

sub connect_to {
    my (%options) = @_;
    return DBI->connect('dbi:Pg:', undef, undef, { RaiseError => 1, PrintError => 0, PrintWarn => 0, AutoCommit => 1, %options });
}

sub equal {
    my ($got, $wanted, $what) = @_;
    $_ //= 'undef' for $got, $wanted;
    die "$what: '$got' instead of '$wanted'\n" if $got ne $wanted;
    return;
}

# Runs the code, which must fail with this SQLSTATE.
sub fails_with {
    my ($database, $state, $code) = @_;
    die "no error, but $state was due\n" if eval { $code->(); 1 };
    equal($database->state, $state, 'SQLSTATE');
    return;
}

sub check_values {
    my ($database) = @_;
    my $question = $database->prepare('select ?::integer, ?::text, ?::numeric, ?::integer[], ?::text, ?::bytea');
    $question->bind_param(6, "\x00\xff\x5c", { pg_type => PG_BYTEA });
    for my $turn (1 .. 3) {
        $question->execute($turn, "Größe ' \\", '1.50', [ 1, undef, 3 ], undef, "\x00\xff\x5c");
        my $row = $question->fetchrow_arrayref;
        equal($row->[0], $turn, 'integer');
        equal($row->[1], "Größe ' \\", 'text');
        equal($row->[2], '1.50', 'numeric');
        equal(join(',', map { $_ // 'null' } @{ $row->[3] }), '1,null,3', 'array');
        equal($row->[4], undef, 'null');
        equal($row->[5], "\x00\xff\x5c", 'bytea');
        $question->finish;
    }
    return;
}

sub check_transactions {
    my ($database) = @_;
    my $heard = '';
    local $SIG{__WARN__} = sub { $heard .= $_[0] };
    $database->{PrintWarn} = 1;
    equal($database->selectrow_array('select speak(?)', undef, 'perl'), 'PERL', 'answer of a function');
    $database->{PrintWarn} = 0;
    die "the notice did not arrive: $heard\n" if $heard !~ /heard: perl/;

    $database->begin_work;
    $database->do('insert into item (name, price) values (?, ?)', undef, 'perl', 1.25);
    $database->pg_savepoint('s');
    fails_with($database, '23505', sub { $database->do('insert into item (name) values (?)', undef, 'perl') });
    equal($database->pg_ping > 0 ? 'alive' : 'dead', 'alive', 'ping in a failed transaction');
    $database->pg_rollback_to('s');
    equal($database->selectrow_array("select count(*) from item where name = 'perl'"), 1, 'rows after the savepoint');
    $database->rollback;
    equal($database->selectrow_array("select count(*) from item where name = 'perl'"), 0, 'rows after the rollback');
    fails_with($database, '22012', sub { $database->selectrow_array('select 1 / 0') });
    equal($database->ping, 1, 'ping after an error');
    return;
}

sub check_copy {
    my ($database) = @_;
    $database->begin_work;
    $database->do('create temporary table copied (n integer, t text) on commit drop');
    $database->do('copy copied from stdin');
    $database->pg_putcopydata("$_\ttext $_\n") for 1 .. 5000;
    $database->pg_putcopyend;
    equal($database->selectrow_array('select count(*) from copied'), 5000, 'rows copied in');
    $database->do('copy (select n, t from copied order by n) to stdout');
    my ($line, $number) = ('', 0);
    while ($database->pg_getcopydata($line) >= 0) {
        $number++;
        equal($line, "$number\ttext $number\n", 'line copied out');
    }
    equal($number, 5000, 'lines copied out');
    $database->do('copy copied from stdin');
    $database->pg_putcopydata("nonsense\n");
    fails_with($database, '22P02', sub { $database->pg_putcopyend });
    $database->rollback;
    return;
}

sub check_cursor_and_large_object {
    my ($database) = @_;
    $database->begin_work;
    $database->do('declare walk cursor for select n from generate_series(1, 1000) as n');
    my $sum = 0;
    while (my $rows = $database->selectcol_arrayref('fetch 300 from walk')) {
        last if !@{$rows};
        $sum += $_ for @{$rows};
    }
    equal($sum, 500_500, 'sum over a cursor');

    my $data = join '', map { chr(($_ * 31) % 256) } 1 .. 200_000;
    my $object = $database->pg_lo_creat($database->{pg_INV_WRITE});
    my $handle = $database->pg_lo_open($object, $database->{pg_INV_WRITE});
    equal($database->pg_lo_write($handle, $data, length $data), length $data, 'bytes written to a large object');
    $database->pg_lo_close($handle);
    $handle = $database->pg_lo_open($object, $database->{pg_INV_READ});
    my ($back, $portion) = ('', '');
    while (my $bytes = $database->pg_lo_read($handle, $portion, 65_536)) {
        $back .= substr $portion, 0, $bytes;
    }
    die "the large object came back changed\n" if $back ne $data;
    $database->pg_lo_unlink($object);
    $database->rollback;
    return;
}

sub check_asynchronous {
    my ($database) = @_;
    my $question = $database->prepare('select 6 * 7, pg_sleep(0.05)', { pg_async => PG_ASYNC });
    $question->execute;
    Time::HiRes::sleep(0.01) while !$database->pg_ready;
    $database->pg_result;
    equal(($question->fetchrow_array)[0], 42, 'answer of an asynchronous query');
    $question->finish;
    $database->do('select pg_sleep(20)', { pg_async => PG_ASYNC });
    Time::HiRes::sleep(0.2);
    equal($database->pg_cancel ? 'yes' : 'no', 'yes', 'cancelled');
    equal($database->selectrow_array(q{select 'alive'}), 'alive', 'answer after the cancel');
    return;
}

sub one_of_the_crowd {
    my ($kind, $number, %options) = @_;
    my $database = connect_to(%options);
    for my $turn (1 .. $rounds) {
        my @mine = ("$kind-$number", "$turn " . rand);
        $database->begin_work;
        $database->do('insert into uncommitted values (?, ?)', undef, @mine);
        my $rows = $database->selectall_arrayref('select owner, value from uncommitted');
        equal(join(' | ', map { "@{$_}" } @{$rows}), "@mine", 'rows that nobody else may have');
        $database->rollback;
        $database->do('insert into done values (?, ?, ?)', undef, $kind, $number, $turn);
        equal($database->selectrow_array('select ?::text', undef, $mine[1]), $mine[1], 'answer outside of a transaction');
    }
    $database->disconnect;
    return;
}

sub crowd {
    my ($kind, $count, %options) = @_;
    my @children;
    for my $number (1 .. $count) {
        my $child = fork // die "fork: $!\n";
        if ($child == 0) {
            srand $number;
            my $status = eval { one_of_the_crowd($kind, $number, %options); 0 } // 1;
            print STDERR $@ if $status;
            POSIX::_exit($status);
        }
        push @children, $child;
    }
    my $failures = 0;
    for my $child (@children) {
        waitpid $child, 0;
        $failures++ if $? != 0;
    }
    die "$failures of $count clients failed\n" if $failures;
    my $database = connect_to(pg_server_prepare => 0);
    equal($database->selectrow_array('select count(*) from done where client_kind = ?', undef, $kind), $count * $rounds, "rounds done by $kind");
    $database->disconnect;
    return;
}

for my $prepares (0, 1) {
    my $database = connect_to(pg_server_prepare => $prepares, pg_switch_prepared => 1);
    check_values($database);
    check_transactions($database);
    check_copy($database);
    check_cursor_and_large_object($database);
    check_asynchronous($database);
    $database->disconnect;
}
crowd('dbd-pg', $ENV{CLIENTS}, pg_server_prepare => 0);
crowd('dbd-pg-named', $ENV{NAMED_CLIENTS}, pg_server_prepare => 1, pg_switch_prepared => 1);
