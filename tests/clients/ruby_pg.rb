# Ruby's pg: simple and extended queries, pipelines, COPY, single-row mode, large objects, named statements, cancel.
require "pg"

CLIENTS = Integer(ENV.fetch("CLIENTS"))
NAMED_CLIENTS = Integer(ENV.fetch("NAMED_CLIENTS"))
ROUNDS = 5
Thread.report_on_exception = false

def equal(got, wanted, what)
  raise "#{what}: #{got.inspect} instead of #{wanted.inspect}" unless got == wanted
end

def fails_with(error_class)
  yield
rescue error_class => error
  error
else
  raise "no error, but #{error_class} was due"
end

def check_values(connection)
  values = ["7", "Größe ' \\", nil, "{1,NULL,3}", "t"]
  answer = connection.exec_params("select $1::int, $2::text, $3::text, $4::int[], $5::bool", values)
  equal(answer.values, [values], "values")
  bytes = (0..255).map(&:chr).join.b
  answer = connection.exec_params("select $1::bytea", [{ value: bytes, format: 1 }], 1)
  equal(answer.getvalue(0, 0), bytes, "bytea, binary")
  equal(connection.exec("select 1; select 2; select 'last'").getvalue(0, 0), "last", "last of several statements")
end

def check_transactions(connection)
  heard = []
  connection.set_notice_processor { |message| heard << message }
  equal(connection.exec_params("select speak($1)", ["ruby"]).getvalue(0, 0), "RUBY", "answer of a function")
  equal(heard.map(&:strip), ["NOTICE:  heard: ruby"], "notices")
  fails_with(PG::UniqueViolation) do
    connection.transaction do
      connection.exec("insert into item (name) values ('ruby')")
      connection.exec("insert into item (name) values ('ruby')")
    end
  end
  equal(connection.exec("select from item where name = 'ruby'").ntuples, 0, "rows after the rollback")
  error = fails_with(PG::DivisionByZero) { connection.exec_params("select 1 / $1::int", [0]) }
  equal(error.result.error_field(PG::PG_DIAG_SQLSTATE), "22012", "SQLSTATE")
  equal(connection.transaction_status, PG::PQTRANS_IDLE, "status after the error")
end

def check_copy(connection)
  connection.transaction do
    connection.exec("create temporary table copied (n int, t text) on commit drop")
    connection.copy_data("copy copied from stdin") { 5000.times { |n| connection.put_copy_data("#{n}\ttext #{n}\n") } }
    lines = []
    connection.copy_data("copy (select * from copied order by n) to stdout") do
      while (line = connection.get_copy_data)
        lines << line
      end
    end
    equal(lines, (0...5000).map { |n| "#{n}\ttext #{n}\n" }, "lines copied out")
  end
  fails_with(PG::Error) do
    connection.copy_data("copy item (name) from stdin") do
      connection.put_copy_data("half a row")
      raise PG::Error, "the client gives up"
    end
  end
  equal(connection.exec("select 'alive'").getvalue(0, 0), "alive", "answer after an abandoned COPY")
end

def check_pipeline(connection)
  connection.enter_pipeline_mode
  100.times { |n| connection.send_query_params("select $1::int * 2", [n.to_s]) }
  connection.pipeline_sync
  connection.send_query_params("select 1 / $1::int", ["0"])
  connection.send_query_params("select 'never'", [])
  connection.pipeline_sync
  connection.send_query_params("select 'after the error'", [])
  connection.pipeline_sync
  100.times do |n|
    equal(connection.get_result.getvalue(0, 0), (n * 2).to_s, "answer in a pipeline")
    equal(connection.get_result, nil, "end of an answer")
  end
  equal(connection.get_result.result_status, PG::PGRES_PIPELINE_SYNC, "first sync")
  fails_with(PG::DivisionByZero) { connection.get_result.check }
  equal(connection.get_result, nil, "end of the error")
  equal(connection.get_result.result_status, PG::PGRES_PIPELINE_ABORTED, "statement behind the error")
  equal(connection.get_result, nil, "end of the aborted statement")
  equal(connection.get_result.result_status, PG::PGRES_PIPELINE_SYNC, "second sync")
  equal(connection.get_result.getvalue(0, 0), "after the error", "answer after the error")
  equal(connection.get_result, nil, "end of the last answer")
  equal(connection.get_result.result_status, PG::PGRES_PIPELINE_SYNC, "third sync")
  connection.exit_pipeline_mode
end

def check_rows_one_by_one(connection)
  connection.send_query("select n from generate_series(1, 2000) as n")
  connection.set_single_row_mode
  sum = 0
  connection.get_result.stream_each_row { |row| sum += row[0].to_i }
  connection.get_result
  equal(sum, 2_001_000, "sum in single-row mode")
end

def check_large_object(connection)
  data = Random.new(1).bytes(300_000)
  connection.transaction do
    object = connection.lo_creat
    handle = connection.lo_open(object, PG::INV_WRITE | PG::INV_READ)
    connection.lo_write(handle, data)
    connection.lo_lseek(handle, 0, PG::SEEK_SET)
    equal(connection.lo_read(handle, data.bytesize), data, "large object")
    connection.lo_close(handle)
    connection.lo_unlink(object)
  end
end

def check_cancel(connection)
  connection.send_query("select pg_sleep(20)")
  sleep 0.2
  equal(connection.cancel, nil, "outcome of the cancel")
  fails_with(PG::QueryCanceled) { connection.get_last_result }
  equal(connection.exec("select 'alive'").getvalue(0, 0), "alive", "answer after the cancel")
end

def check_named(connection)
  connection.prepare("double", "select $1::int * 2")
  5.times { |n| equal(connection.exec_prepared("double", [n]).getvalue(0, 0), (n * 2).to_s, "answer of a named statement") }
  equal(connection.describe_prepared("double").nparams, 1, "parameters of a named statement")
  connection.exec("deallocate double")
  fails_with(PG::InvalidSqlStatementName) { connection.exec_prepared("double", [1]) }
end

def one_of_the_crowd(kind, number, is_named)
  connection = PG.connect
  random = Random.new
  connection.prepare("mine", "insert into uncommitted values ($1, $2)") if is_named
  ROUNDS.times do |turn|
    mine = ["#{kind}-#{number}", "#{turn} #{random.rand}"]
    connection.exec("begin")
    is_named ? connection.exec_prepared("mine", mine) : connection.exec_params("insert into uncommitted values ($1, $2)", mine)
    equal(connection.exec("select owner, value from uncommitted").values, [mine], "rows that nobody else may have")
    connection.exec("rollback")
    connection.exec_params("insert into done values ($1, $2, $3)", [kind, number, turn])
    equal(connection.exec_params("select $1::text", [mine[1]]).values, [[mine[1]]], "answer outside of a transaction")
  end
  connection.close
end

def crowd(kind, count, is_named)
  (0...count).map { |number| Thread.new { one_of_the_crowd(kind, number, is_named) } }.each(&:join)
  connection = PG.connect
  done = connection.exec_params("select count(*) from done where client_kind = $1", [kind]).getvalue(0, 0)
  equal(done, (count * ROUNDS).to_s, "rounds done by #{kind}")
  connection.close
end

connection = PG.connect
check_values(connection)
check_transactions(connection)
check_copy(connection)
check_pipeline(connection)
check_rows_one_by_one(connection)
check_large_object(connection)
check_cancel(connection)
check_named(connection)
connection.close
crowd("ruby-pg", CLIENTS, false)
crowd("ruby-pg-named", NAMED_CLIENTS, true)
