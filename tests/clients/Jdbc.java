import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.postgresql.PGConnection;
import org.postgresql.largeobject.LargeObject;
import org.postgresql.largeobject.LargeObjectManager;

/** The JDBC driver: unnamed and named statements, batches, suspended portals (fetch size), COPY, large objects, cancel. */
public class Jdbc {
    static final int ROUNDS = 5;

    interface Work {
        void run() throws Exception;
    }

    static Connection connect(String... options) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", System.getenv("PGUSER"));
        properties.setProperty("password", System.getenv("PGPASSWORD"));
        for (int i = 0; i < options.length; i += 2) properties.setProperty(options[i], options[i + 1]);
        String url = "jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE");
        return DriverManager.getConnection(url, properties);
    }

    static void equal(Object got, Object wanted, String what) {
        if (!String.valueOf(got).equals(String.valueOf(wanted))) throw new AssertionError(what + ": " + got + " instead of " + wanted);
    }

    static void failsWith(String state, Work work) throws Exception {
        try {
            work.run();
        } catch (SQLException error) {
            equal(error.getSQLState(), state, "SQLSTATE");
            return;
        }
        throw new AssertionError("no error, but " + state + " was due");
    }

    static String ask(Connection database, String question, Object... values) throws SQLException {
        try (PreparedStatement statement = database.prepareStatement(question)) {
            for (int i = 0; i < values.length; i++) statement.setObject(i + 1, values[i]);
            if (!statement.execute()) return String.valueOf(statement.getUpdateCount());
            List<String> rows = new ArrayList<>();
            try (ResultSet result = statement.getResultSet()) {
                while (result.next()) {
                    List<String> row = new ArrayList<>();
                    for (int i = 1; i <= result.getMetaData().getColumnCount(); i++) row.add(result.getString(i));
                    rows.add(String.join("|", row));
                }
            }
            return String.join(" ", rows);
        }
    }

    static void checkValues(Connection database) throws SQLException {
        try (PreparedStatement statement = database.prepareStatement("select ?::int, ?::bigint, ?::numeric, ?::text, ?::bytea, ?::int[], ?::text")) {
            for (int turn = 0; turn < 8; turn++) {
                byte[] bytes = {0, (byte) 0xff, '\\'};
                statement.setInt(1, turn);
                statement.setLong(2, 1L << 40);
                statement.setBigDecimal(3, new BigDecimal("1.50"));
                statement.setString(4, "Größe ' \\ ?");
                statement.setBytes(5, bytes);
                statement.setArray(6, database.createArrayOf("int4", new Integer[] {1, null, 3}));
                statement.setString(7, null);
                try (ResultSet row = statement.executeQuery()) {
                    equal(row.next(), true, "a row");
                    equal(row.getInt(1), turn, "integer");
                    equal(row.getLong(2), 1L << 40, "bigint");
                    equal(row.getBigDecimal(3), "1.50", "numeric");
                    equal(row.getString(4), "Größe ' \\ ?", "text");
                    equal(java.util.Arrays.equals(row.getBytes(5), bytes), true, "bytea");
                    equal(java.util.Arrays.asList((Object[]) row.getArray(6).getArray()).toString(), "[1, null, 3]", "array");
                    equal(row.getString(7), null, "null");
                }
            }
        }
    }

    static void checkTransactions(Connection database) throws Exception {
        try (Statement statement = database.createStatement(); ResultSet answer = statement.executeQuery("select speak('java')")) {
            equal(answer.next() ? answer.getString(1) : "nothing", "JAVA", "answer of a function");
            equal(statement.getWarnings().getMessage(), "heard: java", "notice");
        }
        database.setAutoCommit(false);
        try (PreparedStatement insert = database.prepareStatement("insert into item (name) values (?)", Statement.RETURN_GENERATED_KEYS)) {
            insert.setString(1, "java");
            equal(insert.executeUpdate(), 1, "rows inserted");
            try (ResultSet keys = insert.getGeneratedKeys()) {
                equal(keys.next() && keys.getInt("id") > 0, true, "identity of the new row");
            }
            Savepoint savepoint = database.setSavepoint();
            failsWith("23505", insert::executeUpdate);
            database.rollback(savepoint);
        }
        equal(ask(database, "select count(*) from item where name = ?", "java"), 1, "rows after the savepoint");
        database.rollback();
        equal(ask(database, "select count(*) from item where name = ?", "java"), 0, "rows after the rollback");
        database.commit();
        database.setAutoCommit(true);
        failsWith("22012", () -> ask(database, "select 1 / ?::int", 0));
        database.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
    }

    static void checkBatch(Connection database) throws Exception {
        database.setAutoCommit(false);
        try (Statement statement = database.createStatement()) {
            statement.execute("create temporary table batch (n int primary key, t text) on commit drop");
        }
        try (PreparedStatement insert = database.prepareStatement("insert into batch values (?, ?)")) {
            for (int n = 0; n < 1000; n++) {
                insert.setInt(1, n);
                insert.setString(2, "text " + n);
                insert.addBatch();
            }
            equal(insert.executeBatch().length, 1000, "answers to a batch");
            equal(ask(database, "select count(*), sum(n) from batch"), "1000|499500", "rows of a batch");
            Savepoint savepoint = database.setSavepoint();
            for (int n : new int[] {2000, 2001, 5, 2002}) {
                insert.setInt(1, n);
                insert.setString(2, "again");
                insert.addBatch();
            }
            try {
                insert.executeBatch();
                throw new AssertionError("a duplicate was accepted");
            } catch (BatchUpdateException error) {
                equal(error.getSQLState(), "23505", "SQLSTATE of a batch");
            }
            database.rollback(savepoint);
        }
        try (PreparedStatement walk = database.prepareStatement("select n, t from batch order by n")) {
            walk.setFetchSize(70);
            int next = 0;
            try (ResultSet rows = walk.executeQuery()) {
                while (rows.next()) equal(rows.getString(2), "text " + next++, "row of a suspended portal");
            }
            equal(next, 1000, "rows of a suspended portal");
        }
        database.rollback();
        database.setAutoCommit(true);
    }

    static void checkCopyAndLargeObject(Connection database) throws Exception {
        PGConnection postgres = database.unwrap(PGConnection.class);
        StringBuilder lines = new StringBuilder();
        for (int n = 0; n < 5000; n++) lines.append(n).append("\ttext ").append(n).append('\n');
        database.setAutoCommit(false);
        try (Statement statement = database.createStatement()) {
            statement.execute("create temporary table copied (n int, t text) on commit drop");
        }
        equal(postgres.getCopyAPI().copyIn("copy copied from stdin", new StringReader(lines.toString())), 5000, "rows copied in");
        StringWriter out = new StringWriter();
        postgres.getCopyAPI().copyOut("copy (select * from copied order by n) to stdout", out);
        equal(out.toString().equals(lines.toString()), true, "rows copied out are those copied in");

        byte[] data = new byte[300_000];
        new Random(1).nextBytes(data);
        LargeObjectManager manager = postgres.getLargeObjectAPI();
        long oid = manager.createLO();
        try (LargeObject object = manager.open(oid, LargeObjectManager.READWRITE)) {
            object.write(data);
            object.seek(0);
            equal(java.util.Arrays.equals(object.read(data.length), data), true, "the large object came back as written");
        }
        manager.unlink(oid);
        database.rollback();
        database.setAutoCommit(true);
    }

    static void checkCancel(Connection database) throws Exception {
        try (Statement statement = database.createStatement()) {
            statement.setQueryTimeout(1);
            failsWith("57014", () -> statement.execute("select pg_sleep(20)"));
        }
        equal(ask(database, "select 'alive'"), "alive", "answer after the cancel");
    }

    static void checkSmallBatch(Connection database, String owner) throws SQLException {
        database.setAutoCommit(false);
        try (PreparedStatement insert = database.prepareStatement("insert into uncommitted values (?, ?)")) {
            for (int n = 0; n < 20; n++) {
                insert.setString(1, owner);
                insert.setString(2, "batch " + n);
                insert.addBatch();
            }
            equal(insert.executeBatch().length, 20, "answers to a batch");
        }
        equal(ask(database, "select count(*), min(owner), max(owner) from uncommitted"), "20|" + owner + "|" + owner, "rows of a batch");
        database.rollback();
        database.setAutoCommit(true);
    }

    static void oneOfTheCrowd(String kind, int number, String threshold) throws Exception {
        Random random = new Random();
        try (Connection database = connect("prepareThreshold", threshold)) {
            for (int turn = 0; turn < ROUNDS; turn++) {
                String value = turn + " " + random.nextInt();
                database.setAutoCommit(false);
                ask(database, "insert into uncommitted values (?, ?)", kind + "-" + number, value);
                equal(ask(database, "select owner, value from uncommitted"), kind + "-" + number + "|" + value, "rows that nobody else may have");
                database.rollback();
                database.setAutoCommit(true);
                equal(ask(database, "insert into done values (?, ?, ?)", kind, number, turn), 1, "rows inserted");
                equal(ask(database, "select ?::text", value), value, "answer outside of a transaction");
                checkSmallBatch(database, kind + "-" + number);
            }
        }
    }

    static void crowd(String kind, int count, String threshold) throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(count);
        List<Callable<Void>> work = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int number = i;
            work.add(() -> {
                oneOfTheCrowd(kind, number, threshold);
                return null;
            });
        }
        try {
            for (Future<Void> outcome : threads.invokeAll(work)) outcome.get();
        } finally {
            threads.shutdown();
        }
        try (Connection database = connect("prepareThreshold", "0")) {
            equal(ask(database, "select count(*) from done where client_kind = ?", kind), count * ROUNDS, "rounds done by " + kind);
        }
    }

    public static void main(String[] arguments) throws Exception {
        String[][] manners = {
            {"prepareThreshold", "0"}, {"prepareThreshold", "3", "reWriteBatchedInserts", "true"}, {"preferQueryMode", "simple"}};
        for (String[] options : manners) {
            try (Connection database = connect(options)) {
                checkTransactions(database);
                checkBatch(database);
                checkCopyAndLargeObject(database);
                // In simple mode the driver's own substitution of these values makes a syntax error, with or without a proxy.
                if (!"simple".equals(options[1])) checkValues(database);
            }
        }
        try (Connection database = connect("prepareThreshold", "0")) {
            checkCancel(database);
        }
        crowd("jdbc", Integer.parseInt(System.getenv("CLIENTS")), "0");
        // At the first use, at the second, and at the first with binary transfer of what the server describes.
        for (String threshold : new String[] {"1", "2", "-1"}) {
            crowd("jdbc-named " + threshold, Integer.parseInt(System.getenv("NAMED_CLIENTS")), threshold);
        }
    }
}
