CREATE TABLE "Store" (
    "BusinessEntityID" INTEGER NOT NULL CONSTRAINT "PK_Store" PRIMARY KEY,
    "Name" TEXT NOT NULL,
    "SalesPersonID" INTEGER NULL,
    "Demographics" TEXT NULL,
    "rowguid" BLOB NOT NULL DEFAULT (randomblob(16)),
    "ModifiedDate" TEXT NOT NULL DEFAULT (datetime('now')),
    CONSTRAINT "FK_Store_SalesPerson_SalesPersonID" FOREIGN KEY ("SalesPersonID") REFERENCES "SalesPerson" ("BusinessEntityID") ON DELETE RESTRICT
)