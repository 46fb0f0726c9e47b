CREATE TABLE "SalesPerson" (
    "BusinessEntityID" INTEGER NOT NULL CONSTRAINT "PK_SalesPerson" PRIMARY KEY,
    "TerritoryID" INTEGER NULL,
    "SalesQuota" TEXT NULL,
    "Bonus" TEXT NOT NULL DEFAULT 0.0,
    "CommissionPct" TEXT NOT NULL DEFAULT 0.0,
    "SalesYTD" TEXT NOT NULL DEFAULT 0.0,
    "SalesLastYear" TEXT NOT NULL DEFAULT 0.0,
    "rowguid" BLOB NOT NULL DEFAULT (randomblob(16)),
    "ModifiedDate" TEXT NOT NULL DEFAULT (datetime('now'))
)