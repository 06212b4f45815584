#ifndef PROTOCOL_TYPE_OIDS_H
#define PROTOCOL_TYPE_OIDS_H

/* PostgreSQL's own oids of types, which never change (pg_type.dat): those that somebody here looks at. */
enum type_oid {
    OID_BOOL = 16,
    OID_NAME = 19,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_OID = 26,
    OID_JSON = 114,
    OID_FLOAT4 = 700,
    OID_FLOAT8 = 701,
    OID_UNKNOWN = 705,
    OID_BPCHAR = 1042,
    OID_VARCHAR = 1043,
    OID_DATE = 1082,
    OID_NUMERIC = 1700,
    OID_UUID = 2950
};

#endif
